//! Prometheus' own judgement, by its tool.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::scrape::Scraped;

/// The rules that are published.
pub(crate) const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/prometheus/alerts.yml");

/// Prometheus' tool.
#[derive(Clone, Copy)]
pub(crate) struct Promtool(());

impl Promtool {
    /// None, said loudly, where it is not installed. That is a failure on CI.
    pub(crate) fn find() -> Option<Self> {
        let found = Command::new("promtool").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match found {
            Ok(status) if status.success() => Some(Self(())),
            _ if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
                panic!("promtool is missing: install Debian's package prometheus")
            }
            _ => {
                // Past the harness, which shows only what a failing test says.
                let _ = writeln!(
                    io::stderr(),
                    "SKIPPED: promtool is missing (Debian's package prometheus), so no alert was tried"
                );
                None
            }
        }
    }

    fn run(self, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new("promtool")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Checks the rules.
    pub(crate) fn check_rules(self) {
        let output = self.run(&["check", "rules", RULES], "");
        assert!(output.status.success(), "{output:?}");
    }

    /// Checks what a server writes, and how its metrics are named.
    pub(crate) fn check_metrics(self, scraped: &Scraped) {
        let output = self.run(&["check", "metrics"], &scraped.text);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Shows that exactly these alerts fire at the end of scrapes of one server, one each minute. A scrape without an answer is None.
    pub(crate) fn expects(self, scrapes: &[Option<Scraped>], alerts: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.yml");
        std::fs::write(&file, test_of(scrapes, alerts)).unwrap();
        let output = self.run(&["test", "rules", file.to_str().unwrap()], "");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "expected {alerts:?}: {}", String::from_utf8_lossy(&said));
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The test in promtool's language.
fn test_of(scrapes: &[Option<Scraped>], alerts: &[&str]) -> String {
    let mut names: Vec<&str> = scrapes.iter().flatten().flat_map(Scraped::names).collect();
    names.sort_unstable();
    names.dedup();
    let mut text = format!(
        "rule_files: [{}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n",
        quoted(RULES)
    );
    let mut series = |name: &str, values: Vec<String>| {
        let (name, labels) = name.strip_suffix('}').and_then(|name| name.split_once('{')).unwrap_or((name, ""));
        let own = r#"job="chatcore",instance="test""#;
        let labels = if labels.is_empty() { own.to_owned() } else { format!("{own},{labels}") };
        let (name, values) = (quoted(&format!("{name}{{{labels}}}")), quoted(&values.join(" ")));
        writeln!(text, "      - series: {name}\n        values: {values}").unwrap();
    };
    series("up", scrapes.iter().map(|scrape| u8::from(scrape.is_some()).to_string()).collect());
    for name in names {
        let value = |scrape: &Option<Scraped>| {
            scrape.as_ref().and_then(|scrape| scrape.series.get(name)).map_or_else(|| "_".to_owned(), f64::to_string)
        };
        series(name, scrapes.iter().map(value).collect());
    }
    let end = scrapes.len() - 1;
    let firing = r#"group by (alertname) (ALERTS{alertstate="firing"})"#;
    writeln!(
        text,
        "    promql_expr_test:\n      - expr: {}\n        eval_time: {end}m\n        exp_samples:",
        quoted(firing)
    )
    .unwrap();
    for alert in alerts {
        let labels = quoted(&format!("{{alertname=\"{alert}\"}}"));
        writeln!(text, "          - labels: {labels}\n            value: 1").unwrap();
    }
    if alerts.is_empty() {
        text.truncate(text.trim_end().len());
        text.push_str(" []\n");
    }
    text
}

/// The names of the alerts that are published.
pub(crate) fn published() -> Vec<String> {
    let rules = std::fs::read_to_string(Path::new(RULES)).unwrap();
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}
