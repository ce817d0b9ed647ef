//! The host's directory of users.

use super::*;

/// Knows carol, fails for dave, and never answers about erin.
#[derive(Clone, Default)]
struct Company(Arc<AtomicUsize>);

#[async_trait]
impl UserDirectory for Company {
    async fn find(
        &self,
        users: &[UserId],
    ) -> Result<Vec<Option<DirectoryUser>>, Box<dyn std::error::Error + Send + Sync>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if users.contains(&user_id("dave")) {
            return Err("as the test wants it".into());
        }
        if users.contains(&user_id("erin")) {
            std::future::pending::<()>().await;
        }
        let carol = DirectoryUser { name: Some("Carol".to_owned()), ..DirectoryUser::default() };
        Ok(users.iter().map(|user| (user.as_str() == "carol").then(|| carol.clone())).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_of_the_directory_can_be_added_before_the_first_sign_in() {
    let company = Company::default();
    let chat = Chat::builder(MemoryStore::new()).directory(company.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let add = async |name: &str| {
        let add = AddParticipant { user_id: user_id(name), role: None };
        chat.add_participant(&alice, id, add).await.map(|admission| admission.participant.profile.name)
    };
    assert_eq!(add("carol").await.as_deref(), Ok("Carol"));
    assert_eq!(company.0.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        assert_eq!(add("frank").await.unwrap_err(), Error::UserNotFound);
    }
    assert_eq!(company.0.load(Ordering::SeqCst), 2, "what is not there is remembered, too");
    // Nobody is added because the directory is away, and nobody waits for ever.
    for name in ["dave", "erin"] {
        assert_eq!(in_time(add(name)).await.unwrap_err(), Error::Unavailable, "{name}");
    }
    assert_eq!(chat.session(&alice, id).await.unwrap().participants.len(), 2);
    // The user's own token says it better.
    let carol = Principal { name: Some("Caroline".to_owned()), ..user("carol") };
    assert_eq!(chat.me(&carol).await.unwrap().name, "Caroline");
}

#[tokio::test]
async fn without_a_directory_only_users_who_were_seen_are_known() {
    let chat = Chat::in_memory();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let add = AddParticipant { user_id: user_id("carol"), role: None };
    assert_eq!(chat.add_participant(&alice, id, add).await.unwrap_err(), Error::UserNotFound);
}
