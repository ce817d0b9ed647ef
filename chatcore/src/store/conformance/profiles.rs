//! Profiles: kept by user, each replaced only by a caller that knows what it replaces.

use super::{
    kit::{Store, at, user, users},
    samples::tricky_texts,
};
use crate::{
    model::UserId,
    store::{ProfilePart, ProfileRecord},
};

fn part(text: &str, micros: i64) -> Option<ProfilePart> {
    Some(ProfilePart { text: text.to_owned(), as_of: at(micros) })
}

fn profile(user_id: &UserId, name: &str, version: u64) -> ProfileRecord {
    let username = part(&format!("handle of {name}"), 7);
    ProfileRecord { username, name: part(name, 0), version, ..ProfileRecord::unknown(user_id.clone()) }
}

async fn put(store: &Store, profile: &ProfileRecord) -> bool {
    store.put_profile(profile.clone()).await.expect("a profile that cannot be put now is no error")
}

async fn kept(store: &Store, user: &UserId) -> Option<ProfileRecord> {
    store.profiles(std::slice::from_ref(user)).await.expect("profiles").remove(0)
}

pub(super) async fn profiles_come_in_the_order_asked_for(store: Store) {
    let [ana, bob, eve] = users(["ana", "bob", "eve"]);
    let (one, two) = (profile(&ana, "Ana", 1), profile(&bob, "Bob", 1));
    assert!(put(&store, &two).await && put(&store, &one).await);
    let asked = [&eve, &bob, &ana, &bob, &eve].map(Clone::clone);
    let expected = [None, Some(two.clone()), Some(one), Some(two), None];
    assert_eq!(store.profiles(&asked).await.expect("profiles"), expected);
    assert!(store.profiles(&[]).await.expect("profiles").is_empty());

    let all: Vec<UserId> = tricky_texts().iter().map(user).collect();
    for user in all.iter().skip(1) {
        assert!(put(&store, &profile(user, user.as_str(), 1)).await);
    }
    let found = store.profiles(&all).await.expect("profiles");
    for (place, (user, found)) in all.iter().zip(found).enumerate() {
        assert_eq!(found, Some(profile(user, user.as_str(), 1)).filter(|_| place > 0));
    }
}

pub(super) async fn a_profile_is_replaced_as_a_whole(store: Store) {
    let ana = user("ana");
    // Each part with a time of its own, one microsecond apart.
    let full =
        ProfileRecord { email: part("a@example.org", 1), picture: part("https://x/y", 2), ..profile(&ana, "Ana", 1) };
    let unknown = ProfileRecord { version: 2, ..ProfileRecord::unknown(ana.clone()) };
    let named = ProfileRecord { name: part("Ana", 3), version: 3, ..unknown.clone() };
    // The same as the first, and older than what it replaces: ages are the caller's business.
    let again = ProfileRecord { version: 4, ..full.clone() };
    for next in [full, unknown, named, again] {
        assert!(put(&store, &next).await, "{next:?}");
        assert_eq!(kept(&store, &ana).await, Some(next));
    }
}

pub(super) async fn a_profile_of_another_version_changes_nothing(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    for version in [0, 2, 3, u64::from(u32::MAX)] {
        assert!(!put(&store, &profile(&ana, "Ana", version)).await, "there is none to replace");
        assert_eq!(kept(&store, &ana).await, None);
    }
    for version in [1, 2] {
        assert!(put(&store, &profile(&ana, "Ana", version)).await);
    }
    let stored = profile(&ana, "Ana", 2);
    for version in [0, 1, 2, 4, 5, u64::from(u32::MAX)] {
        assert!(!put(&store, &profile(&ana, "Eve", version)).await, "{version} does not come after 2");
        assert_eq!(kept(&store, &ana).await, Some(stored.clone()));
    }
    assert!(put(&store, &profile(&bob, "Bob", 1)).await, "each user's versions are their own");
    assert_eq!(kept(&store, &ana).await, Some(stored));
}

pub(super) async fn one_of_many_writers_of_a_profile_wins(store: Store) {
    const WRITERS: u64 = 8;
    let ana = user("ana");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, ana) = (store.clone(), ana.clone());
        writers.spawn(async move {
            // Each brings a name in that nobody else has.
            loop {
                let stored = kept(&store, &ana).await.unwrap_or_else(|| ProfileRecord::unknown(ana.clone()));
                let names = stored.name.map(|part| part.text).unwrap_or_default();
                let next = profile(&ana, &format!("{names}{writer}"), stored.version + 1);
                if put(&store, &next).await {
                    return;
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.expect("a writer that ends");
    }
    let stored = kept(&store, &ana).await.expect("a profile");
    let mut names: Vec<char> = stored.name.expect("a name").text.chars().collect();
    names.sort_unstable();
    assert_eq!((stored.version, names), (WRITERS, ('0'..='7').collect()), "nobody overwrote what another one put");
}
