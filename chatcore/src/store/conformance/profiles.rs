//! Profiles: kept by user, the newest of them.

use super::{
    kit::{Store, at, user, users},
    samples::tricky_texts,
};
use crate::model::{Profile, UserId};

fn profile(user_id: &UserId, name: &str, micros: i64) -> Profile {
    Profile {
        user_id: user_id.clone(),
        username: format!("handle of {name}"),
        name: name.to_owned(),
        email: None,
        picture: None,
        updated_at: at(micros),
    }
}

async fn kept(store: &Store, user: &UserId) -> Option<Profile> {
    store.profiles(std::slice::from_ref(user)).await.expect("profiles").remove(0)
}

pub(super) async fn profiles_come_in_the_order_asked_for(store: Store) {
    let [ana, bob, eve] = users(["ana", "bob", "eve"]);
    let (one, two) = (profile(&ana, "Ana", 0), profile(&bob, "Bob", 0));
    store.put_profile(two.clone()).await.expect("kept");
    store.put_profile(one.clone()).await.expect("kept");
    let asked = [&eve, &bob, &ana, &bob, &eve].map(Clone::clone);
    let expected = [None, Some(two.clone()), Some(one), Some(two), None];
    assert_eq!(store.profiles(&asked).await.expect("profiles"), expected);
    assert!(store.profiles(&[]).await.expect("profiles").is_empty());

    let all: Vec<UserId> = tricky_texts().iter().map(user).collect();
    for user in all.iter().skip(1) {
        store.put_profile(profile(user, user.as_str(), 0)).await.expect("kept");
    }
    let found = store.profiles(&all).await.expect("profiles");
    for (place, (user, found)) in all.iter().zip(found).enumerate() {
        assert_eq!(found, Some(profile(user, user.as_str(), 0)).filter(|_| place > 0));
    }
}

pub(super) async fn a_newer_profile_replaces_the_whole_of_an_older_one(store: Store) {
    let ana = user("ana");
    let full =
        Profile { email: Some("a@example.org".into()), picture: Some("https://x/y".into()), ..profile(&ana, "Ana", 0) };
    store.put_profile(full.clone()).await.expect("kept");
    assert_eq!(kept(&store, &ana).await, Some(full.clone()));
    // The smallest step that there is.
    let bare = profile(&ana, "Anna", 1);
    store.put_profile(bare.clone()).await.expect("kept");
    assert_eq!(kept(&store, &ana).await, Some(bare));
    let again = Profile { updated_at: at(2), ..full };
    store.put_profile(again.clone()).await.expect("kept");
    assert_eq!(kept(&store, &ana).await, Some(again));
}

pub(super) async fn an_older_or_equally_old_profile_changes_nothing(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    let newest = profile(&ana, "Ana", 0);
    store.put_profile(newest.clone()).await.expect("kept");
    for (name, micros) in [("Same", 0), ("A bit older", -1), ("Older", -5_000_000), ("Ana", 0)] {
        store.put_profile(profile(&ana, name, micros)).await.expect("an older one is no error");
        assert_eq!(kept(&store, &ana).await, Some(newest.clone()), "{name}");
    }
    let unknown = Profile::unknown(bob.clone());
    store.put_profile(unknown.clone()).await.expect("kept");
    assert_eq!(kept(&store, &bob).await, Some(unknown), "any profile is newer than none");
}
