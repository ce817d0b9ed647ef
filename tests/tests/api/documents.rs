//! What the documents say is what the code says.

use std::{fs, path::Path};

use chatcore::{
    Accounts, Administration, Chat, JwtAuthenticator, JwtIssuer, Webhooks, permission::PermissionTable,
    webhooks::WebhookOptions,
};
use chatcore_graphql::{SchemaOptions, Services, schema_with};
use chatcore_poem::{ChatFrontend, Health};
use chatcore_tests::SECRET;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_readme_shows_the_example_that_is_built() {
    let example = file("examples/embed/src/main.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(file("README.md").contains(code.trim()), "README.md and examples/embed differ");
    let documented: String =
        code.trim().lines().map(|line| format!("//! {line}").trim_end().to_owned() + "\n").collect();
    assert!(file("chatcore/src/lib.rs").contains(&documented), "chatcore's documentation and examples/embed differ");
    assert!(code.trim().lines().filter(|line| !line.trim().is_empty()).count() <= 25, "the example has grown");
}

/// The README's comments `<!-- tests: path name, path -->` name tests that hold what the sentence before promises.
#[test]
fn each_promise_of_the_readme_names_tests_that_exist() {
    let readme = file("README.md");
    let comments: Vec<&str> =
        readme.split("<!-- tests:").skip(1).map(|rest| rest.split("-->").next().unwrap()).collect();
    assert!(comments.len() >= 15, "promises have lost their tests: {comments:?}");
    for test in comments.iter().flat_map(|comment| comment.split(',')) {
        let mut words = test.split_whitespace();
        let (path, name) = (words.next().unwrap(), words.next());
        let text = file(path);
        let is_there = name.is_none_or(|name| text.contains(&format!("fn {name}(")));
        assert!(is_there && words.next().is_none(), "README.md names a test that does not exist: {test}");
    }
    let (_, promises) = readme.split_once("The promises (a comment").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let mut unproven = promises.split("\n- ").skip(1).filter(|promise| !promise.contains("<!-- tests:"));
    assert_eq!(unproven.next(), None, "a promise without a test");
}

#[test]
fn the_documented_matrix_is_the_table() {
    let table = PermissionTable::default().to_markdown();
    for document in ["docs/permissions.md", "chatcore/src/permission/matrix.md"] {
        assert!(file(document).contains(&table), "{document} differs from the table:\n{table}");
    }
}

/// Compares a published document with what the code makes of it; with `UPDATE_DOCUMENTS=1` in the environment, writes it.
fn pinned(path: &str, made: &str) {
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path), made).unwrap();
    }
    let published = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap_or_default();
    assert!(
        published == made,
        "{path} is not what the code makes of it. If the change is meant: UPDATE_DOCUMENTS=1 cargo test --workspace --test api documents"
    );
}

/// Accounts with all that they can do, since the documents are those of a whole server.
fn accounts() -> Accounts {
    Accounts::builder(Chat::in_memory(), JwtIssuer::hs256(SECRET).unwrap()).build().unwrap()
}

#[test]
fn the_published_graphql_schema_is_the_one_that_is_served() {
    let accounts = accounts();
    let chat = accounts.chat().clone();
    let webhooks = Some(Webhooks::new(chat.clone(), WebhookOptions::default()));
    let services = Services { accounts: Some(accounts), admin: Some(Administration::new(chat.clone())), webhooks };
    pinned("docs/schema.graphql", &schema_with(chat, services, SchemaOptions::default()).sdl());
}

#[test]
fn the_published_openapi_document_is_the_one_that_is_served() {
    let accounts = accounts();
    let chat = accounts.chat().clone();
    let frontend = ChatFrontend::new(chat.clone(), JwtAuthenticator::hs256(SECRET).unwrap());
    let frontend = frontend.with_accounts(accounts).with_admin(Administration::new(chat.clone()));
    let frontend = frontend.with_webhooks(Webhooks::new(chat, WebhookOptions::default()));
    let frontend = frontend.with_health(Health::default());
    pinned("docs/openapi.json", &(serde_json::to_string_pretty(frontend.openapi()).unwrap() + "\n"));
}
