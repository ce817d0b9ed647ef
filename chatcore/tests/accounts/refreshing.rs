use std::collections::BTreeSet;

use chatcore::accounts::Tokens;

use super::*;

async fn refresh(world: &World, token: &str) -> Result<Tokens, Error> {
    world.accounts.refresh(&here(), token).await
}

#[tokio::test]
async fn a_refresh_token_works_once() {
    let world = World::new();
    let ada = world.register("ada").await;
    world.later(10);
    let next = refresh(&world, &ada.tokens.refresh_token).await.unwrap();
    assert_ne!(next.refresh_token, ada.tokens.refresh_token);
    // Soon after the rotation it is a race, and nothing happens.
    world.later(10);
    let error = refresh(&world, &ada.tokens.refresh_token).await.unwrap_err();
    assert_eq!((error.code().as_str(), error.code().status()), ("AUTH_REFRESH_TOKEN_INVALID", 401));
    let last = refresh(&world, &next.refresh_token).await.unwrap();
    let caller = world.tokens.authenticate(&last.access_token).await.unwrap();
    assert_eq!(caller.login_id, Some(ada.login_id));
    assert_eq!(world.accounts.logins(&caller).await.unwrap()[0].last_used_at, world.chat.now());
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_later_ends_the_login_and_its_streams() {
    let world = World::new();
    let ada = world.register("ada").await;
    let caller = world.caller(&ada).await;
    let id = kit::session(&world.chat, &caller, chatcore::model::SessionType::Public).await;
    let mut events = world.chat.subscribe(&caller, id, None).await.unwrap();
    let other = world.log_in("ada", PASSWORD).await.unwrap();
    let next = refresh(&world, &ada.tokens.refresh_token).await.unwrap();
    world.later(11);
    assert_eq!(refresh(&world, &ada.tokens.refresh_token).await.unwrap_err(), Error::RefreshTokenInvalid);
    assert_eq!(refresh(&world, &next.refresh_token).await.unwrap_err(), Error::RefreshTokenInvalid);
    let late = world.tokens.authenticate(&next.access_token).await.unwrap();
    assert_eq!(world.chat.me(&late).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(kit::in_time(events.next_event()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    // Other logins go on.
    refresh(&world, &other.tokens.refresh_token).await.unwrap();
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let world = World::new();
    let ada = world.register("ada").await.tokens;
    let (start, end) = ada.refresh_token.split_at(ada.refresh_token.len() - 4);
    let changed = format!("{start}{}", if end == "AAAA" { "BBBB" } else { "AAAA" });
    let long = "A".repeat(100_000);
    for token in ["", "x", "\u{1f600}", &ada.access_token, &changed, start, &long, &format!("{} ", ada.refresh_token)] {
        assert_eq!(refresh(&world, token).await.unwrap_err(), Error::RefreshTokenInvalid, "{token:.80}");
    }
    // A refresh token is no access token.
    assert_eq!(world.tokens.authenticate(&ada.refresh_token).await.unwrap_err(), Error::TokenInvalid);
    refresh(&world, &ada.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_is_random_and_no_two_have_a_secret_in_common() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    /// Random bytes at the end of a token: twice as many as 128 bits.
    const SECRET: usize = 32;
    let world = World::new();
    let mut token = world.register("ada").await.tokens.refresh_token;
    let mut secrets = Vec::new();
    for _ in 0..64 {
        token = refresh(&world, &token).await.unwrap().refresh_token;
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        secrets.push(bytes[bytes.len() - SECRET..].to_vec());
    }
    // Each bit is both 0 and 1 among so many tokens, but for one case in 10¹⁶.
    for bit in 0..SECRET * 8 {
        let ones = secrets.iter().filter(|secret| secret[bit / 8] >> (bit % 8) & 1 == 1).count();
        assert!((1..64).contains(&ones), "bit {bit} is always the same");
    }
}

#[tokio::test]
async fn the_store_has_no_token() {
    use chatcore::{ChatStore, accounts::RefreshTokens, store::TypedKey};
    let world = World::new();
    let ada = world.register("ada").await;
    let found = world.store.scan(&[RefreshTokens::under(Vec::new())]).await.unwrap().pop().unwrap();
    assert_eq!(found.len(), 1);
    let stored = format!("{found:?}");
    let tail = &ada.tokens.refresh_token[ada.tokens.refresh_token.len() - 40..];
    assert!(!stored.contains(tail), "{stored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_refreshes_at_once_exactly_one_succeeds_a_thousand_times() {
    let world = World::new();
    // Two processes.
    let processes = [world.accounts.clone(), world.restarted(settings())];
    let mut token = world.register("ada").await.tokens.refresh_token;
    let mut seen = BTreeSet::new();
    for round in 0..1_000 {
        let [one, other] = [0, round % 2].map(|process: usize| {
            let (accounts, token) = (processes[process].clone(), token.clone());
            tokio::spawn(async move { accounts.refresh(&here(), &token).await })
        });
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        let (tokens, error) = match (one, other) {
            (Ok(tokens), Err(error)) | (Err(error), Ok(tokens)) => (tokens, error),
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(error, Error::RefreshTokenInvalid, "round {round}");
        token = tokens.refresh_token;
        assert!(seen.insert(token.clone()), "round {round}: a token came twice");
    }
    // The losers ended nothing.
    refresh(&world, &token).await.unwrap();
}

#[tokio::test]
async fn old_tokens_are_forgotten() {
    use chatcore::{
        ChatStore,
        accounts::RefreshTokens,
        store::{Prefix, TypedKey},
    };
    let world = World::new();
    let mut token = world.register("ada").await.tokens.refresh_token;
    let kept = async || {
        let all = Prefix { table: RefreshTokens::TABLE, parts: Vec::new() };
        world.store.count(&[all]).await.unwrap()[0]
    };
    for _ in 0..100 {
        token = refresh(&world, &token).await.unwrap().refresh_token;
    }
    assert_eq!(kept().await, 1);
    let caller = refresh(&world, &token).await.unwrap();
    let caller = world.tokens.authenticate(&caller.access_token).await.unwrap();
    world.accounts.log_out(&caller).await.unwrap();
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn each_older_token_is_known_for_one_of_its_family() {
    for back in 1..=4 {
        let world = World::new();
        let mut tokens = vec![world.register("ada").await.tokens.refresh_token];
        for _ in 0..4 {
            world.later(3);
            tokens.push(refresh(&world, tokens.last().unwrap()).await.unwrap().refresh_token);
        }
        // The last four were replaced 0, 3, 6 and 9 seconds ago.
        let old = &tokens[4 - back];
        assert_eq!(refresh(&world, old).await.unwrap_err(), Error::RefreshTokenInvalid);
        let last = refresh(&world, &tokens[4]).await.unwrap().refresh_token;
        world.later(11);
        assert_eq!(refresh(&world, old).await.unwrap_err(), Error::RefreshTokenInvalid);
        assert_eq!(refresh(&world, &last).await.unwrap_err(), Error::RefreshTokenInvalid, "{back}");
    }
}

#[tokio::test]
async fn a_login_that_ended_through_the_chat_is_not_refreshed() {
    let world = World::new();
    let (ended, other) = (world.register("ada").await, world.log_in("ada", PASSWORD).await.unwrap());
    let user = ended.account.user_id.clone();
    // Its access tokens are over soon, and its refresh token lives for days.
    world.chat.end_login(&user, ended.login_id, world.chat.now()).await.unwrap();
    for seconds in [0, 3_600, 6 * 24 * 3_600] {
        world.later(seconds);
        // With each change, what is over is forgotten.
        let another = chatcore::model::LoginId(chatcore::Clock::new_id(&world.clock));
        world.chat.end_login(&user, another, world.chat.now()).await.unwrap();
        let refreshed = refresh(&world, &ended.tokens.refresh_token).await;
        let error = refreshed.unwrap_err();
        assert_eq!((&error, error.code().status()), (&Error::RefreshTokenInvalid, 401), "{seconds}");
    }
    refresh(&world, &other.tokens.refresh_token).await.unwrap();
}

#[tokio::test]
async fn the_end_of_all_logins_and_revoked_tokens_hold_against_refresh_tokens() {
    let world = World::new();
    let there = world.restarted(settings());
    let (one, kept) = (world.register("ada").await, world.log_in("ada", PASSWORD).await.unwrap());
    let user = one.account.user_id.clone();
    let refreshed = async |token: &str| {
        // A process that knows the standing of before, and one that made the change.
        let (here_too, there_too) = (refresh(&world, token).await, there.refresh(&here(), token).await);
        here_too.or(there_too)
    };
    let [one, kept] = [one, kept].map(|login| login.tokens.refresh_token);
    let one = there.refresh(&here(), &one).await.unwrap().refresh_token;
    world.later(60);
    there.chat().me(&kit::user(user.as_str())).await.unwrap();
    let kept_login = world.tokens.authenticate(&refresh(&world, &kept).await.unwrap().access_token).await.unwrap();
    let kept = world.log_in("ada", PASSWORD).await.unwrap();
    world.later(1);
    there.chat().me(&kit::user(user.as_str())).await.unwrap();
    world.chat.end_all_logins(&user, Some(kept.login_id)).await.unwrap();
    assert_eq!(refreshed(&one).await.unwrap_err(), Error::RefreshTokenInvalid);
    assert_eq!(world.chat.me(&kept_login).await.unwrap_err(), Error::TokenInvalid);
    let kept = refreshed(&kept.tokens.refresh_token).await.unwrap();
    let by_kept = world.tokens.authenticate(&kept.access_token).await.unwrap();
    // The list shows what can be refreshed.
    assert_eq!(world.accounts.logins(&by_kept).await.unwrap().len(), 1);

    world.later(60);
    there.chat().me(&by_kept).await.unwrap();
    world.chat.revoke_before(&user, world.chat.now()).await.unwrap();
    assert_eq!(refreshed(&kept.refresh_token).await.unwrap_err(), Error::RefreshTokenInvalid);
    let later = world.log_in("ada", PASSWORD).await.unwrap();
    refreshed(&later.tokens.refresh_token).await.unwrap();
}
