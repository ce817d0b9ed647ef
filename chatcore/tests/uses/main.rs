//! Each use case counts before it looks at its input: a call with bad input takes from the buckets what a call with good input takes.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod cases;
mod source;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chatcore::{
    Accounts, Administration, Chat, Error, JwtIssuer, Limiter as _, MemoryStore, Origin, Principal, Rate, RateLimits,
    accounts::{AccountSettings, Argon2Cost, Client},
    identity::SystemRole,
    limits::{Bucket, Payer, ProcessLimiter},
    model::UserId,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use object_store::memory::InMemory;

/// More than one test takes, of which none comes back within the test.
const FULL: u32 = 100_000;

/// What a call takes from the buckets of its caller or of its address.
type Costs = BTreeMap<&'static str, u32>;

/// Everything that has use cases, with one limiter, and a caller who may use all of it.
struct World {
    limiter: Arc<ProcessLimiter>,
    chat: Chat,
    accounts: Accounts,
    admin: Administration,
    caller: Principal,
    client: Client,
}

impl World {
    fn new() -> Self {
        let mut rates = RateLimits::off();
        for bucket in Bucket::ALL {
            rates.set(*bucket, Some(Rate::new(FULL, Duration::from_secs(3_600))));
        }
        let limiter = Arc::new(ProcessLimiter::new(&rates));
        let chat = Chat::builder(MemoryStore::new()).limiter(Arc::clone(&limiter)).build();
        let argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let accounts = Accounts::builder(chat.clone(), JwtIssuer::hs256(&[7; 32]).unwrap())
            .settings(AccountSettings { argon2, ..AccountSettings::default() })
            .avatars(Arc::new(InMemory::new()), "/pictures/")
            .build()
            .unwrap();
        let admin = Administration::new(chat.clone());
        let caller = Principal { system_role: SystemRole::Admin, ..Principal::new(UserId::new("ada").unwrap()) };
        let client = Client { address: Some("192.0.2.1".parse().unwrap()), device: None };
        Self { limiter, chat, accounts, admin, caller, client }
    }

    /// What is taken from the buckets of the caller and of the address.
    async fn taken(&self) -> Costs {
        let payers = [Payer::User(&self.caller.user_id), Payer::Address(self.client.address.unwrap())];
        let mut taken = Costs::new();
        for bucket in Bucket::ALL {
            for payer in payers {
                let left = self.limiter.left(payer, *bucket, self.chat.now()).await.unwrap();
                *taken.entry(bucket.name()).or_default() += FULL - left.remaining;
            }
        }
        taken
    }
}

#[tokio::test]
async fn bad_input_costs_what_good_input_costs() {
    let world = World::new();
    let origin: Origin = world.client.address.into();
    for case in cases::all(&world) {
        let before = world.taken().await;
        // As a frontend carries it out, before it knows who calls.
        let output = world.chat.metered(origin, false, case.call).await.output.unwrap();
        let mut costs = world.taken().await;
        costs.iter_mut().for_each(|(bucket, taken)| *taken -= before[bucket]);
        costs.retain(|_, taken| *taken > 0);
        assert_eq!(costs, case.costs, "{}: {output:?}", case.name);
        assert_eq!(output.is_err(), case.takes_bad_input, "{}: {output:?}", case.name);
        assert!(!matches!(output, Err(Error::RateLimited { .. })), "{}", case.name);
    }
}

#[test]
fn every_use_case_has_a_case() {
    let world = World::new();
    let tried: Vec<&str> = cases::all(&world).iter().map(|case| case.name).collect();
    let found = source::functions();
    assert!(found.len() > 80, "the source has moved: {found:?}");
    for name in found.iter().filter(|name| !cases::NO_USE_CASES.contains(&name.as_str())) {
        assert!(tried.contains(&name.as_str()), "{name} has no case in this test");
    }
    for name in tried.iter().chain(&cases::NO_USE_CASES) {
        assert!(found.contains(*name), "there is no {name}");
    }
}

/// A call with bad input.
struct Case<'a> {
    /// The type and the method.
    name: &'static str,
    costs: Costs,
    /// Whether there is any bad input.
    takes_bad_input: bool,
    call: BoxFuture<'a, Result<(), Error>>,
}

impl<'a> Case<'a> {
    fn new<T>(
        name: &'static str,
        costs: &[(Bucket, u32)],
        call: impl Future<Output = Result<T, Error>> + Send + 'a,
    ) -> Self {
        let costs = costs.iter().map(|(bucket, uses)| (bucket.name(), *uses)).collect();
        Self { name, costs, takes_bad_input: true, call: call.map(|result| result.map(drop)).boxed() }
    }

    /// A call whose input cannot be bad, or whose answer must not tell.
    fn fine(self) -> Self {
        Self { takes_bad_input: false, ..self }
    }
}
