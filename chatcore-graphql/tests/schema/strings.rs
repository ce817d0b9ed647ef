//! Documents are read as the lexical grammar has it (GraphQL, edition of September 2025, section 2.1).

use super::*;

/// What a string of the document means: it goes into a session's description, and comes back.
async fn meant(schema: &ChatSchema, literal: &str) -> Value {
    let query = format!(
        "mutation {{ createSession(input: {{title: \"x\", description: {literal}}}) {{ session {{ description }} }} }}"
    );
    let answer = ask(schema, &user("alice"), &query, json!({})).await;
    assert_eq!(answer["errors"], Value::Null, "{query} {answer}");
    answer["data"]["createSession"]["session"]["description"].clone()
}

#[tokio::test]
async fn strings_mean_what_the_specification_says() {
    let (_, schema) = graph();
    for (literal, value) in [
        (r#""""a \""" b""""#, "a \"\"\" b"),
        (r#""""\"""""""#, "\"\"\""),
        (r#""""a\"""\"""b\n\u0041\\x""""#, r#"a""""""b\n\u0041\\x"#),
        (r#""""say "hi" and "" too""""#, "say \"hi\" and \"\" too"),
        ("\"\"\"\n    a \\\"\"\"\n      b\n\n    c\n  \"\"\"", "a \"\"\"\n  b\n\nc"),
        ("\"\"\"\r\n    a\r\n      b \\\"\"\"\r\n\r\n    c\r\n  \"\"\"", "a\n  b \"\"\"\n\nc"),
        ("\"\"\"a\r    b\r\r    c \\\"\"\" d\"\"\"", "a\nb\n\nc \"\"\" d"),
        // A line of white space that is shorter than what all lines are indented by.
        ("\"\"\"\n    a\n  \n    b\n\"\"\"", "a\n\nb"),
        ("\"\"\"\n    a\n      \n    b\n\"\"\"", "a\n  \nb"),
        ("\"\"\"\n\ta\n\t\tb\n\"\"\"", "a\n\tb"),
        ("\"\"\"  a\n  b\"\"\"", "  a\nb"),
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""\uD83D\uDE00 \u{1F600}\u{1f600}""#, "\u{1f600} \u{1f600}\u{1f600}"),
        (r#""\u{41}\u{000041}\u0041""#, "AAA"),
        (r#""\u{10FFFF}\u{E000}\uFFFD""#, "\u{10ffff}\u{e000}\u{fffd}"),
        (r#""\u{22}\u{5C}\u{5c}n\u{A}\u000a\u{09}""#, "\"\\\\n\n\n\t"),
        (r#""\"\\\/\n\t""#, "\"\\/\n\t"),
        (r#""\\u{1F600} \\ud83d\\ude00""#, r"\u{1F600} \ud83d\ude00"),
        ("\"# no comment, { nor ( this\"", "# no comment, { nor ( this"),
        ("\"\u{1f600}\\ud83d\\ude00\"", "\u{1f600}\u{1f600}"),
    ] {
        assert_eq!(meant(&schema, literal).await, value, "{literal}");
    }
    for empty in ["\"\"", "\"\"\"\"\"\"", "\"\"\"\n  \n\"\"\""] {
        assert_eq!(meant(&schema, empty).await, "", "{empty}");
    }
    // As a default, in a list and within a subscription, too.
    let default = r#"mutation($d: String = "\u{1F600}") { createSession(input: {title: "\ud83d\ude00", description: $d})
        { session { title description } } }"#;
    let made = data(&schema, &user("alice"), default, json!({})).await;
    assert_eq!(made["createSession"]["session"], json!({ "title": "\u{1f600}", "description": "\u{1f600}" }));
}

#[tokio::test]
async fn what_is_no_string_is_a_syntax_error_that_says_where() {
    let (_, schema) = graph();
    for bad in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d \ude00""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\u{de00}""#,
        r#""\u{D83D}\u{DE00}""#,
        r#""\ud83dx""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\ud83d\ude00""#,
        r#""\u{110000}""#,
        r#""\u{FFFFFFFFFF}""#,
        r#""\u{}""#,
        r#""\u{12""#,
        r#""\u{xyz}""#,
        r#""\u{ 41}""#,
        r#""\u12""#,
        r#""\u""#,
        r#""\U0041""#,
        r#""\x41""#,
        r#""\'""#,
        "\"a\nb\"",
        "\"a\rb\"",
        "\"a",
        "\"\"\"a",
        "\"\"\"a\"\"",
        "[\"\"\"a\"]",
        "'a'",
    ] {
        let query = format!("mutation {{\n createSession(input: {{title: {bad}}}) {{ session {{ id }} }} }}");
        let answer = ask(&schema, &user("alice"), &query, json!({})).await;
        assert_eq!(
            (codes(&answer), &answer["data"]),
            (vec!["VALIDATION_INVALID_FORMAT"], &Value::Null),
            "{bad} {answer}"
        );
        assert_eq!(answer["errors"][0]["locations"][0]["line"], 2, "{bad} {answer}");
    }
    let answer = ask(&schema, &user("alice"), "{ session(id:\n \"\u{1f600} \\ud83d\") { id } }", json!({})).await;
    assert_eq!(answer["errors"][0]["locations"], json!([{ "line": 2, "column": 5 }]));
}

#[tokio::test]
async fn what_is_rewritten_for_the_parser_moves_no_location() {
    let (_, schema) = graph();
    for (before, line, column) in [
        ("a: session(id: \"\\ud83d\\ude00\") { id } ", 2, 39),
        ("a: session(id: \"\\u{22}\\u{A}\") { id } ", 2, 38),
        ("a: session(id: \"\"\"\n x \\\"\"\"\n\n  y\"\"\") { id } ", 5, 16),
        ("a: messages(sessionId: 1, skip: -0) { head } ", 2, 46),
    ] {
        let query = format!("query Q {{\n{before}nothing }}");
        let answer = ask(&schema, &user("alice"), &query, json!({})).await;
        let errors = answer["errors"].as_array().unwrap();
        let of = errors.iter().find(|error| error["message"].as_str().unwrap().contains("nothing")).unwrap();
        assert_eq!(of["locations"], json!([{ "line": line, "column": column }]), "{query} {answer}");
    }
}

#[tokio::test]
async fn tokens_are_those_of_the_specification() {
    let (_, schema) = graph();
    let alice = user("alice");
    for good in [
        "\u{feff}{ me { id } }",
        ",,{,me,{,id,,}\u{feff},},",
        "{ me { id } } # \u{1f600} \" { \u{7}",
        "# a comment\r{ me { id } }",
        "{me{id}}",
        "query($x:[ ID ! ] ! = [ ]) { me { id } nodes(ids: $x) { id } }",
        "query(\n$x : [\n # of what\n ID!\n]!) { me { id } nodes(ids: $x) { id } }",
        "\"What it is.\" query Q { me { id } }",
        "\"\"\"\nWhat \\\"\"\" it is.\n\"\"\" query Q(\"Which.\" $x: [ID!]! = [], \"\"\"More.\"\"\" $y: Boolean! = true)
            { me { id } ...F @include(if: $y) } \"A part.\" fragment F on Query { nodes(ids: $x) { id } }",
    ] {
        let answer = ask(&schema, &alice, good, json!({ "x": [] })).await;
        assert_eq!(answer["errors"], Value::Null, "{good} {answer}");
        assert_eq!(answer["data"]["me"], json!({ "id": "alice" }), "{good}");
    }
    for bad in [
        "{ sessions(first: 0123) { nodes { id } } }",
        "{ nodes(ids: [0123]) { id } }",
        "{ nodes(ids: [-01]) { id } }",
        "{ nodes(ids: [00]) { id } }",
        "{ sessions(first: 1.) { nodes { id } } }",
        "{ sessions(first: .5) { nodes { id } } }",
        "{ sessions(first: 1e) { nodes { id } } }",
        "{ sessions(first: 1.e1) { nodes { id } } }",
        "{ sessions(first: - 1) { nodes { id } } }",
        "{ sessions(first: +1) { nodes { id } } }",
        "{ nodes(ids: [1x]) { id } }",
        "{ nodes(ids: [1.5.5]) { id } }",
        "{ nodes(ids: [0xF]) { id } }",
        "{ nodes(ids: [\"\"\"a\"]) { id } }",
        "queryQ { me { id } }",
        "{ me { id } } fragmentF on User { id }",
        "\"No description.\" { me { id } }",
        "\"Two.\" \"Of them.\" query { me { id } }",
        "{ m\u{e9} }",
        "{ me { id } } \u{7}",
        "{ me(\"a\" x: 1) { id } }",
    ] {
        let answer = ask(&schema, &alice, bad, json!({})).await;
        assert_eq!(
            (codes(&answer), &answer["data"]),
            (vec!["VALIDATION_INVALID_FORMAT"], &Value::Null),
            "{bad} {answer}"
        );
    }
    let twice = "mutation { createSession(input: {title: \"x\", title: \"y\"}) { session { id } } }";
    let answer = ask(&schema, &alice, twice, json!({})).await;
    assert_eq!((codes(&answer), &answer["data"]), (vec!["VALIDATION_INVALID_FORMAT"], &Value::Null));
}
