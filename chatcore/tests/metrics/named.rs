//! The dashboard and the alerts name metrics and labels that there are.

use std::collections::BTreeSet;

use chatcore::metrics::{ALL, Kind};

/// What Prometheus itself adds to each sample.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../deploy/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The metric of a series: a histogram has three series.
fn metric(series: &str) -> Option<&'static chatcore::metrics::Description> {
    ALL.iter().find(|metric| {
        let ends: &[&str] = if metric.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        ends.iter().any(|end| series.strip_suffix(end) == Some(metric.name))
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The series that an expression names.
fn series(expression: &str) -> BTreeSet<&str> {
    words(expression).filter(|word| word.starts_with("chatcore_")).collect()
}

/// What stands between two characters, wherever there is something.
fn between(expression: &str, open: &str, close: char) -> Vec<String> {
    let parts = expression.split(open).skip(1);
    parts.map(|part| part.split(close).next().unwrap().to_owned()).collect()
}

/// The labels that an expression names: of matchers, and of groups.
fn labels(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for matchers in between(expression, "{", '}') {
        found.extend(
            matchers.split(',').filter_map(|matcher| Some(words(matcher.split('=').next()?).next()?.to_owned())),
        );
    }
    for keyword in ["by (", "without (", "on (", "ignoring (", "group_left ("] {
        for group in between(expression, keyword, ')') {
            found.extend(words(&group).map(str::to_owned));
        }
    }
    found
}

/// What is wrong with an expression.
fn faults(expression: &str) -> Vec<String> {
    let series = series(expression);
    let unknown = series.iter().filter(|series| metric(series).is_none()).map(|series| format!("no metric {series}"));
    let known: BTreeSet<&str> =
        series.iter().filter_map(|series| metric(series)).flat_map(|metric| metric.labels).copied().collect();
    let strange = labels(expression)
        .into_iter()
        .filter(|label| !known.contains(label.as_str()) && !OF_PROMETHEUS.contains(&label.as_str()));
    unknown.chain(strange.map(|label| format!("no label {label}"))).collect()
}

/// The expressions of the rules. Each stands on one line.
fn rules() -> Vec<String> {
    let text = read("prometheus/alerts.yml");
    let found: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect();
    assert_eq!(found.len(), text.matches("- alert: ").count(), "each rule has its expression on one line");
    found
}

fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            into.extend(fields.get("expr").and_then(|expression| expression.as_str()).map(str::to_owned));
            fields.values().for_each(|value| collect(value, into));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}

fn panels() -> Vec<String> {
    let mut found = Vec::new();
    collect(&serde_json::from_str(&read("grafana/chatcore.json")).unwrap(), &mut found);
    // A variable stands for a label's value, or for a length of time.
    found.iter().map(|expression| expression.replace("$__rate_interval", "5m")).collect()
}

#[test]
fn alerts_name_what_there_is() {
    for expression in rules() {
        assert_eq!(faults(&expression), [""; 0], "{expression}");
    }
}

#[test]
fn the_dashboard_names_what_there_is_and_shows_everything() {
    let panels = panels();
    for expression in &panels {
        assert_eq!(faults(expression), [""; 0], "{expression}");
    }
    let shown: BTreeSet<&str> =
        panels.iter().flat_map(|expression| series(expression)).filter_map(metric).map(|metric| metric.name).collect();
    let hidden: Vec<_> = ALL.iter().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(hidden, [""; 0], "the dashboard shows nothing of these");
}

#[test]
fn what_is_not_there_is_found() {
    assert_eq!(faults("rate(chatcore_sends[5m])"), ["no metric chatcore_sends"]);
    assert_eq!(faults("rate(chatcore_commit_seconds[5m])"), ["no metric chatcore_commit_seconds"]);
    assert_eq!(faults(r#"chatcore_logins_total{outcome!="ok", user="a"}"#), ["no label user"]);
    assert_eq!(faults("sum by (bucket) (rate(chatcore_sends_total[5m]))"), ["no label bucket"]);
    assert_eq!(faults(r#"sum by (code, le) (chatcore_requests_total{job="chat"})"#), [""; 0]);
}
