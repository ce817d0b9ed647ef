//! The program, killed with `kill -9` while its bot answers.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

struct Program {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bot"));
        command.arg("--data").arg(data).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let line = timeout(Duration::from_secs(60), self.output.next_line()).await;
        line.expect("nothing came in a minute").unwrap().expect("the program ended")
    }

    /// What is printed up to this line.
    async fn until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != last) {
            lines.push(self.line().await);
        }
        lines
    }
}

#[tokio::test]
async fn each_mention_is_answered_once_whenever_the_program_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut asked = 0;
    for round in 0..4 {
        let mut program = Program::start(&data);
        for _ in 0..20 {
            asked += 1;
            program.say(&format!("@robot question {asked}")).await;
        }
        // In the first round some answers are there. Later, the kill comes with the first lines that are printed again.
        let upto = if round == 0 { 15 } else { 5 };
        for _ in 0..upto {
            program.line().await;
        }
        program.child.kill().await.unwrap();
    }
    let mut program = Program::start(&data);
    program.say("@robot the last question").await;
    let printed = program.until("Robot: You said: @robot the last question").await;
    let questions: Vec<&str> = printed.iter().filter_map(|line| line.strip_prefix("Alice: ")).collect();
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for line in printed.iter().filter_map(|line| line.strip_prefix("Robot: You said: ")) {
        *answers.entry(line).or_default() += 1;
    }
    // Of 15 lines at least every second one is a question.
    assert!(questions.len() >= 8, "{printed:#?}");
    assert_eq!(answers.len(), questions.len());
    for question in questions {
        assert_eq!(answers.get(question), Some(&1), "{question}");
    }
    // At the end of its input the program ends in order.
    drop(program.input);
    assert!(timeout(Duration::from_secs(60), program.child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn help_says_how_to_start_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_bot")).arg("--help").output().await.unwrap();
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("--data <FOLDER>"));
}
