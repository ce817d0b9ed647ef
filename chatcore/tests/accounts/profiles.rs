use chatcore::accounts::UpdateAccount;

use super::*;

fn update() -> UpdateAccount {
    UpdateAccount::default()
}

#[tokio::test]
async fn a_profile_is_changed_field_by_field_and_shown_everywhere() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_ada, &[&by_eve]).await;
    world.later(1);
    let first = UpdateAccount {
        display_name: Some("Ada".into()),
        bio: Some(Some("Writes programs.\nOf machines.".into())),
        avatar_url: Some(Some("https://example.org/ada.png".into())),
        public_key: Some(Some("-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----".into())),
    };
    let account = world.accounts.update_me(&by_ada, first).await.unwrap();
    assert_eq!(account.updated_at, world.chat.now());
    assert_eq!(world.accounts.me(&by_ada).await.unwrap(), account);
    let second = UpdateAccount { bio: Some(None), ..update() };
    let account = world.accounts.update_me(&by_ada, second).await.unwrap();
    assert_eq!((account.bio, account.display_name.as_str()), (None, "Ada"));
    assert!(account.avatar_url.is_some() && account.public_key.is_some());

    let message = kit::say(&world.chat, &by_ada, id, "hello").await;
    assert_eq!((message.sender.name.as_str(), message.sender.username.as_str()), ("Ada", "ada"));
    assert_eq!(message.sender.picture.as_deref(), Some("https://example.org/ada.png"));
    let seen = world.accounts.user(&by_eve, &ada.account.user_id).await.unwrap();
    assert_eq!((seen.display_name.as_str(), &seen.public_key), ("Ada", &account.public_key));
    assert_eq!(world.accounts.user_named(&by_eve, "ADA").await.unwrap(), seen);
}

#[tokio::test]
async fn a_profile_that_is_not_acceptable_names_every_field() {
    let world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    let bad = UpdateAccount {
        display_name: Some(" ".into()),
        bio: Some(Some("x".repeat(501))),
        avatar_url: Some(Some("javascript:alert(1)".into())),
        public_key: Some(Some("a\u{0}b".into())),
    };
    let error = world.accounts.update_me(&caller, bad).await.unwrap_err();
    let mut found = faults(&error);
    found.sort_by_key(|(field, _)| *field);
    let expected = [
        ("avatar_url", Code::ValidationInvalidValue),
        ("bio", Code::ValidationLengthExceeded),
        ("display_name", Code::ValidationRequiredField),
        ("public_key", Code::ValidationInvalidValue),
    ];
    assert_eq!(found, expected);
    for url in ["data:image/png;base64,x", "//example.org/x", "https://a b"] {
        let error = world.accounts.update_me(&caller, UpdateAccount { avatar_url: Some(Some(url.into())), ..update() });
        assert_eq!(faults(&error.await.unwrap_err()), [("avatar_url", Code::ValidationInvalidValue)], "{url}");
    }
}

#[tokio::test]
async fn users_are_found_by_the_beginning_of_their_names_in_pages() {
    let world = World::new();
    let ada = world.register("Ada").await;
    for name in ["adam", "adamant", "Adelaide", "bob", "a.lonzo", "zed"] {
        world.register(name).await;
    }
    let caller = world.caller(&ada).await;
    let search = |prefix: &'static str, after: Option<String>, limit| {
        let (accounts, caller) = (world.accounts.clone(), caller.clone());
        async move {
            let page = accounts.search_users(&caller, prefix, after.as_deref(), limit).await.unwrap();
            (page.users.into_iter().map(|user| user.username).collect::<Vec<_>>(), page.next)
        }
    };
    let all = ["Ada", "adam", "adamant", "Adelaide"];
    assert_eq!(search(" AD", None, None).await, (all.map(str::to_owned).to_vec(), None));
    assert_eq!(search("adam", None, None).await.0, ["adam", "adamant"]);
    assert_eq!(search("q", None, None).await, (Vec::new(), None));
    for limit in 1..=4 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = search("ad", after, Some(limit)).await;
            assert!(page.len() <= limit as usize);
            found.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, all, "{limit}");
    }
    for (prefix, limit, field) in [(" ", None, "q"), ("a", Some(0), "limit"), ("a", Some(101), "limit")] {
        let error = world.accounts.search_users(&caller, prefix, None, limit).await.unwrap_err();
        assert_eq!(error.fields()[0].field, field);
    }
}

#[tokio::test]
async fn users_who_are_not_there_are_not_found() {
    let world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    let nobody = kit::user_id("nobody");
    assert_eq!(world.accounts.user(&caller, &nobody).await.unwrap_err(), Error::UserNotFound);
    // A lookup by name does not find addresses.
    for name in ["nobody", "ada@example.org", ""] {
        assert_eq!(world.accounts.user_named(&caller, name).await.unwrap_err(), Error::UserNotFound, "{name}");
    }
    // A user of another system has no account here.
    let error = world.accounts.me(&kit::user("elsewhere")).await.unwrap_err();
    assert_eq!((error.code().as_str(), error.code().status()), ("AUTH_USER_NOT_FOUND", 404));
}
