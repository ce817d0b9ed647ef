//! `chat-server admin`: administration of a running server over its own API.

pub(crate) mod client;
pub(crate) mod tokens;

use std::io::{self, BufRead as _};

use serde_json::{Value, json};

use crate::{
    cli::{AdminArgs, AdminCommand},
    config::{Config, Failure},
    running, secret,
};
use client::Client;

/// Carries a command out, and prints what came of it on stdout.
pub(crate) fn run(config: &Config, args: AdminArgs) -> Result<(), Failure> {
    let secret = secret::load(config)?;
    let token = tokens::issue(&secret.bytes)?;
    let server = args.server.map_or_else(|| running::url(config), Ok)?;
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
        AdminCommand::Revoke { user, reason } => {
            let body = json!({ "role": "USER", "reason": reason });
            client.send("PUT", &of_user(client, &user, "role").await?, &without_nulls(body)).await?
        }
        AdminCommand::Users { search, status, role } => {
            let query = [("search", search), ("status_filter", status), ("role_filter", role)];
            return list(client, "/api/v1/admin/users", query).await;
        }
        AdminCommand::Sessions { search, status, session_type } => {
            let query = [("search", search), ("status_filter", status), ("session_type", session_type)];
            return list(client, "/api/v1/admin/sessions", query).await;
        }
        AdminCommand::Participants { session } => {
            return list(client, &of_session(&session, "participants"), []).await;
        }
        AdminCommand::Close { session, reason } => {
            client.send("POST", &of_session(&session, "close"), &without_nulls(json!({ "reason": reason }))).await?
        }
        AdminCommand::Notice { text, reason } => {
            let body = without_nulls(json!({ "text": text, "reason": reason }));
            client.send("POST", "/api/v1/admin/broadcast", &body).await?
        }
        AdminCommand::Stats => client.get("/api/v1/admin/dashboard/stats", &[]).await?,
        AdminCommand::Audit { actor, target, action } => {
            let query = [("actor", actor), ("target", target), ("action", action)];
            let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            return client.copy("/api/v1/admin/audit/export", &query, &mut io::stdout(), |_| ()).await;
        }
    };
    client::print(&mut io::stdout(), &format!("{done:#}\n"))
}

/// The path of an operation on a session.
fn of_session(session: &str, operation: &str) -> String {
    format!("/api/v1/admin/sessions/{}/{operation}", client::segment(session))
}

/// Prints all entries of a list, one in each line, page by page.
async fn list<const N: usize>(client: &Client, path: &str, query: [(&str, Option<String>); N]) -> Result<(), Failure> {
    let limit = ("limit", "100".to_owned());
    let fixed: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).chain([limit]).collect();
    let mut after = None;
    loop {
        let query: Vec<_> = fixed.iter().cloned().chain(after.map(|after| ("after", after))).collect();
        let (page, next) = client.page(path, &query).await?;
        for entry in page {
            client::print(&mut io::stdout(), &format!("{entry}\n"))?;
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
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
