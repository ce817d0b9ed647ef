//! A server on the in-memory store without limits, to measure what a delivery to many readers costs:
//! `fanout PORT SECRET_FILE`.

use std::error::Error;

use chatcore::{Chat, JwtAuthenticator, Limits, MemoryStore};
use chatcore_poem::{ChatFrontend, Options, ServeOptions};
use poem::Route;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("name a port")?.parse()?;
    let secret = std::fs::read(arguments.next().ok_or("name a file with the secret")?)?;
    let limits = Limits { max_participants: 100_000, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::default()).limits(limits).build();
    let most = 100_000;
    let options = Options {
        sockets: most,
        unknown_sockets: most,
        unknown_sockets_per_address: most,
        sockets_per_user: most,
        ..Options::default()
    };
    let frontend = ChatFrontend::with_options(chat, JwtAuthenticator::hs256(secret.trim_ascii())?, options);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let served = ServeOptions { connections: most, connections_per_address: most, ..ServeOptions::default() };
    let app = frontend.mount(Route::new());
    Ok(frontend.serve(listener, app, served, std::future::pending()).await?)
}
