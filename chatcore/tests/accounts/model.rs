//! A random history, compared with maps that are too simple to be wrong.

use std::collections::BTreeMap;

use chatcore::model::LoginId;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["ada", "eve", "bob"];
const PASSWORDS: [&str; 3] = [PASSWORD, "a quite different pass-phrase", "nobody guesses this one either"];

#[derive(Debug, Clone)]
enum Step {
    Register {
        name: usize,
        password: usize,
    },
    LogIn {
        name: usize,
        password: usize,
    },
    /// The tokens are counted over all that were ever issued.
    Refresh {
        token: usize,
    },
    LogOut {
        access: usize,
    },
    LogOutEverywhere {
        access: usize,
    },
    ChangePassword {
        access: usize,
        old: usize,
        new: usize,
    },
    Wait {
        seconds: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (name, password, token) = (0..NAMES.len(), 0..PASSWORDS.len(), 0..1_000_usize);
    let step = prop_oneof![
        2 => (name.clone(), password.clone()).prop_map(|(name, password)| Step::Register { name, password }),
        4 => (name, password.clone()).prop_map(|(name, password)| Step::LogIn { name, password }),
        6 => token.clone().prop_map(|token| Step::Refresh { token }),
        2 => token.clone().prop_map(|access| Step::LogOut { access }),
        1 => token.clone().prop_map(|access| Step::LogOutEverywhere { access }),
        2 => (token, password.clone(), password).prop_map(|(access, old, new)| Step::ChangePassword { access, old, new }),
        4 => prop_oneof![1..=9_i64, Just(11), Just(1_000), Just(1_900), Just(7 * 24 * 3_600)].prop_map(|seconds| Step::Wait { seconds }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A refresh token, and when it was rotated.
struct Refresh {
    login: LoginId,
    token: String,
    expires: i64,
    rotated: Option<i64>,
}

struct Access {
    login: LoginId,
    token: String,
    expires: i64,
}

/// What is true.
#[derive(Default)]
struct Model {
    now: i64,
    passwords: BTreeMap<usize, usize>,
    /// The user of each login that has not ended.
    logins: BTreeMap<LoginId, usize>,
    users: BTreeMap<LoginId, usize>,
    refreshes: Vec<Refresh>,
    accesses: Vec<Access>,
}

impl Model {
    fn issued(&mut self, login: LoginId, access: String, refresh: String) {
        self.accesses.push(Access { login, token: access, expires: self.now + 1_800 });
        self.refreshes.push(Refresh { login, token: refresh, expires: self.now + 7 * 24 * 3_600, rotated: None });
    }

    fn began(&mut self, user: usize, logged_in: LoggedIn) {
        let LoggedIn { login_id, tokens, .. } = logged_in;
        self.logins.insert(login_id, user);
        self.users.insert(login_id, user);
        self.issued(login_id, tokens.access_token, tokens.refresh_token);
    }

    fn accepts(&self, access: &Access) -> bool {
        access.expires > self.now && self.logins.contains_key(&access.login)
    }
}

async fn run(steps: Vec<Step>) {
    let world =
        World::with(AccountSettings { guesses: None, guesses_per_address: None, password_score: 0, ..settings() });
    let mut model = Model::default();
    for step in steps {
        // Two steps never happen in one millisecond, in which a revocation does not tell the logins before it from those after it.
        world.later(1);
        model.now += 1;
        let context = format!("{step:?}");
        match step {
            Step::Register { name, password } => {
                let new = Register { password: PASSWORDS[password].into(), ..new(NAMES[name]) };
                match world.accounts.register(&here(), new).await {
                    Ok(logged_in) => {
                        assert!(model.passwords.insert(name, password).is_none(), "{context}");
                        model.began(name, logged_in);
                    }
                    Err(error) => {
                        assert_eq!(error, Error::UsernameTaken, "{context}");
                        assert!(model.passwords.contains_key(&name), "{context}");
                    }
                }
            }
            Step::LogIn { name, password } => {
                let may = model.passwords.get(&name) == Some(&password);
                match world.log_in(NAMES[name], PASSWORDS[password]).await {
                    Ok(logged_in) => {
                        assert!(may, "{context}");
                        model.began(name, logged_in);
                    }
                    Err(error) => assert_eq!((error, may), (Error::InvalidCredentials, false), "{context}"),
                }
            }
            Step::Refresh { token } if !model.refreshes.is_empty() => {
                let place = token % model.refreshes.len();
                let Refresh { login, ref token, expires, rotated } = model.refreshes[place];
                let may = rotated.is_none() && expires > model.now && model.logins.contains_key(&login);
                match world.accounts.refresh(&here(), token).await {
                    Ok(tokens) => {
                        assert!(may, "{context}");
                        model.refreshes[place].rotated = Some(model.now);
                        model.issued(login, tokens.access_token, tokens.refresh_token);
                    }
                    Err(error) => {
                        assert_eq!((error, may), (Error::RefreshTokenInvalid, false), "{context}");
                        // Tokens that are over may be forgotten, with their rotation.
                        if rotated.is_some_and(|rotated| model.now - rotated > 10) && expires > model.now {
                            model.logins.remove(&login);
                        }
                    }
                }
            }
            Step::LogOut { access } | Step::LogOutEverywhere { access } | Step::ChangePassword { access, .. }
                if !model.accesses.is_empty() =>
            {
                let place = access % model.accesses.len();
                let (login, may) = (model.accesses[place].login, model.accepts(&model.accesses[place]));
                let user = model.users[&login];
                let Ok(caller) = world.tokens.authenticate(&model.accesses[place].token).await else {
                    assert!(!may, "{context}");
                    continue;
                };
                let done = match step {
                    Step::LogOut { .. } => world.accounts.log_out(&caller).await,
                    Step::LogOutEverywhere { .. } => world.accounts.log_out_everywhere(&caller).await,
                    Step::ChangePassword { old, new, .. } => {
                        world.accounts.change_password(&caller, &here(), PASSWORDS[old], PASSWORDS[new]).await
                    }
                    _ => unreachable!(),
                };
                let is_right = match step {
                    Step::ChangePassword { old, .. } => model.passwords[&user] == old,
                    _ => true,
                };
                assert_eq!(done.is_ok(), may && is_right, "{context}: {done:?}");
                match (done, step) {
                    (Ok(()), Step::LogOut { .. }) => drop(model.logins.remove(&login)),
                    (Ok(()), Step::ChangePassword { new, .. }) => {
                        model.passwords.insert(user, new);
                        model.logins.retain(|other, of| *of != user || *other == login);
                    }
                    (Ok(()), _) => model.logins.retain(|_, of| *of != user),
                    (Err(_), _) => {}
                }
            }
            Step::Wait { seconds } => {
                world.later(seconds);
                model.now += seconds;
            }
            _ => {}
        }
        for access in &model.accesses {
            let accepted = match world.tokens.authenticate(&access.token).await {
                Ok(caller) => world.accounts.me(&caller).await.is_ok(),
                Err(_) => false,
            };
            // Within the leeway of a token's end either is right.
            if (access.expires - model.now).abs() > 5 {
                assert_eq!(accepted, model.accepts(access), "{context}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_random_history_of_logins_is_as_simple_maps_say(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
