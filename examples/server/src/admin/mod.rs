//! `chat-server admin`: administration of a running server over its own API.

mod client;
pub(crate) mod tokens;

use std::io::{self, BufRead as _};

use serde_json::{Value, json};

use crate::{
    cli::{AdminArgs, AdminCommand},
    config::{Config, Failure},
    secret,
};
use client::Client;

/// Carries a command out, and prints what came of it on stdout.
pub(crate) fn run(config: &Config, args: AdminArgs) -> Result<(), Failure> {
    let secret = secret::load(config)?;
    let token = tokens::issue(&secret.bytes)?;
    let server = match (args.server, &config.tls_cert) {
        (Some(server), _) => server,
        (None, None) => client::address(config.listen),
        (None, Some(_)) => {
            return Err(
                "the server speaks TLS: name it as its certificate does, with --server https://HOST:PORT".into()
            );
        }
    };
    let client = Client::new(server, token, config.tls_cert.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(&client, args.command))
}

async fn perform(client: &Client, command: AdminCommand) -> Result<(), Failure> {
    let done = match command {
        AdminCommand::CreateUser { username, email, admin } => create_user(client, username, email, admin).await?,
        AdminCommand::Grant { user, revoke, reason } => {
            let role = if revoke { "USER" } else { "ADMIN" };
            let body = json!({ "role": role, "reason": reason });
            client.send("PUT", &of_user(client, &user, "role").await?, &without_nulls(body)).await?
        }
        AdminCommand::Ban { user, reason, lasting } => {
            let until =
                lasting.map(|lasting| humantime::format_rfc3339(std::time::SystemTime::now() + lasting).to_string());
            let body = json!({ "reason": reason, "until": until });
            client.send("POST", &of_user(client, &user, "ban").await?, &without_nulls(body)).await?
        }
        AdminCommand::Unban { user, reason } => {
            let body = json!({ "reason": reason });
            client.send("POST", &of_user(client, &user, "unban").await?, &without_nulls(body)).await?
        }
        AdminCommand::Stats => client.get("/api/v1/admin/dashboard/stats", &[]).await?,
        AdminCommand::Audit { actor, target, action } => {
            let query = [("actor", actor), ("target", target), ("action", action)];
            let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            return client.copy("/api/v1/admin/audit/export", &query, &mut io::stdout()).await;
        }
    };
    client::print(&mut io::stdout(), &format!("{done:#}\n"))
}

/// A body without the fields that are not given.
fn without_nulls(body: Value) -> Value {
    match body {
        Value::Object(fields) => {
            fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<serde_json::Map<_, _>>().into()
        }
        body => body,
    }
}

/// Registers a user, whose password is the first line of stdin: flags are seen by every process.
async fn create_user(client: &Client, username: String, email: String, admin: bool) -> Result<Value, Failure> {
    let mut password = String::new();
    io::stdin().lock().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("the password is the first line of stdin, and there is none".into());
    }
    let body = json!({ "username": username, "email": email, "password": password, "device": "chat-server admin" });
    let made = client.send("POST", "/api/v1/auth/register", &body).await?;
    let id = made.pointer("/user/id").and_then(Value::as_str).ok_or("the server answered without a user")?;
    if admin {
        let path = format!("/api/v1/admin/users/{}/role", client::segment(id));
        return client.send("PUT", &path, &json!({ "role": "ADMIN" })).await;
    }
    client.get(&format!("/api/v1/admin/users/{}", client::segment(id)), &[]).await
}

/// The path of an operation on a user, who is named by id or by user name.
async fn of_user(client: &Client, user: &str, operation: &str) -> Result<String, Failure> {
    let path = |id: &str| format!("/api/v1/admin/users/{}/{operation}", client::segment(id));
    if client.find(&format!("/api/v1/admin/users/{}", client::segment(user))).await?.is_some() {
        return Ok(path(user));
    }
    let mut named = Vec::new();
    let mut after = None;
    loop {
        let query = [("search", Some(user.to_owned())), ("after", after), ("limit", Some("100".to_owned()))];
        let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let (page, next) = client.page("/api/v1/admin/users", &query).await?;
        let is_meant = |found: &&Value| {
            found.get("username").and_then(Value::as_str).is_some_and(|name| name.to_lowercase() == user.to_lowercase())
        };
        let ids = page.iter().filter(is_meant).filter_map(|found| found.get("id")?.as_str().map(str::to_owned));
        named.extend(ids);
        after = next;
        if after.is_none() {
            break;
        }
    }
    match named.as_slice() {
        [id] => Ok(path(id)),
        [] => Err(format!("there is no user with the id or the user name {user}").into()),
        _ => Err(format!("several users have the user name {user}; give the id: {}", named.join(", ")).into()),
    }
}
