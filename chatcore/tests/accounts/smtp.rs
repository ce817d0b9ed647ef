//! Mail by SMTP, to a server that says yes to everything.

use chatcore::accounts::{Mail, MailKind, Mailer, SmtpMailer};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};

use super::kit::in_time;

/// Takes one mail, and returns all that the client said.
async fn take(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (reading, mut writing) = stream.split();
    writing.write_all(b"220 test ESMTP\r\n").await.unwrap();
    let (mut lines, mut said, mut is_data) = (BufReader::new(reading).lines(), String::new(), false);
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
        said.push('\n');
        let answer = match line.as_str() {
            "." => {
                is_data = false;
                "250 taken"
            }
            _ if is_data => continue,
            "DATA" => {
                is_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 yes",
        };
        writing.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        if answer.starts_with("221") || answer == "250 taken" {
            break;
        }
    }
    said
}

#[tokio::test]
async fn a_mail_goes_to_its_address_with_its_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(take(listener));
    let mailer = SmtpMailer::new(&url, "Chat <chat@example.org>").unwrap();
    let mail = Mail {
        kind: MailKind::Verification,
        to: "ada@example.org".into(),
        code: "the-code".into(),
        subject: "Verify".into(),
        text: "The code is the-code.\n".into(),
    };
    mailer.send(mail).await.unwrap();
    let said = in_time(server).await.unwrap();
    assert!(said.contains("MAIL FROM:<chat@example.org>") && said.contains("RCPT TO:<ada@example.org>"), "{said}");
    assert!(said.contains("The code is the-code."), "{said}");
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused() {
    assert!(SmtpMailer::new("http://example.org", "chat@example.org").is_err());
    assert!(SmtpMailer::new("smtp://example.org", "nobody").is_err());
}
