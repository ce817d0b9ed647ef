//! Pages of lists, and the links between them.

use super::*;

on_every_store! {
    async fn a_list_of_sessions_that_changes_between_two_pages_shows_each_session_once(server) {
        let (a, b) = (server.client("a").await, server.client("b").await);
        // Each client pages through one of the two lists of sessions.
        for (client, path) in [(&a, "/sessions"), (&b, "/sessions/public")] {
            let mut made = Vec::new();
            for _ in 0..8 {
                made.insert(0, a.session("PUBLIC").await);
            }
            let rest = pages(client, path, "?limit=100", async |_| ()).await.concat();
            assert_eq!(rest, made);
            let seen = pages(client, path, "?skip=0&limit=2", async |page| match page {
                // A new one stands before those that were shown, so a number of entries to skip leads to one of them.
                1 => {
                    for _ in 0..3 {
                        a.session("PUBLIC").await;
                    }
                }
                // Without those that were shown, it leads past ones that were not. The last one is the cursor's entry.
                2 => {
                    for id in &made[..4] {
                        a.delete(&format!("/sessions/{id}")).await;
                    }
                }
                // One that was not shown yet goes, too.
                _ => {
                    a.delete(&format!("/sessions/{}", made[6])).await;
                }
            })
            .await;
            assert_eq!(seen, [&made[..2], &made[2..4], &made[4..6], &made[7..]], "{path}");
            // The last page is full, and is known to be the last.
            let rest = pages(client, path, "", async |_| ()).await.concat();
            assert_eq!(rest.len(), 6);
            assert_eq!(pages(client, path, "?limit=3", async |_| ()).await, [&rest[..3], &rest[3..]], "{path}");
            for id in rest {
                a.delete(&format!("/sessions/{id}")).await;
            }
        }
    }

    async fn a_list_of_participants_that_changes_between_two_pages_shows_each_participant_once(server) {
        let a = server.client("a").await;
        let id = a.session("PUBLIC").await;
        let mut clients = Vec::new();
        for n in 0..7 {
            let client = server.client(&format!("user {n}")).await;
            client.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
            clients.push(client);
        }
        let path = format!("/sessions/{id}/participants");
        let before = pages(&a, &path, "", async |_| ()).await.concat();
        let seen = pages(&a, &path, "?limit=2&include_email=true", async |page| match page {
            // The entry of the cursor goes, and one that was not shown yet.
            1 => {
                for n in [0, 5] {
                    clients[n].post(&format!("/sessions/{id}/leave"), json!({})).await.expect(200);
                }
            }
            // A new membership of a user stands at the end of the list.
            2 => drop(clients[0].post(&format!("/sessions/{id}/join"), json!({})).await.expect(200)),
            _ => {}
        })
        .await;
        let after = pages(&a, &path, "", async |_| ()).await.concat();
        assert_eq!(seen, [&before[..2], &before[2..4], &before[4..6], &[before[7].clone(), after[6].clone()]]);
        assert_eq!(after.len(), 7);
    }

    async fn links_keep_the_other_parameters_of_their_request(server) {
        let a = server.client("a").await;
        let id = a.session("PUBLIC").await;
        for n in 0..4 {
            server.client(&format!("u{n}")).await.post(&format!("/sessions/{id}/join"), json!({})).await.expect(200);
            a.session("PUBLIC").await;
            a.say(&id, "x").await;
        }
        let b = server.client("b").await;
        // Each with the names of the places that its links may have.
        let (sessions, public) = ("/sessions".to_owned(), "/sessions/public".to_owned());
        let [participants, messages, events] =
            ["participants", "messages", "events"].map(|list| format!("/sessions/{id}/{list}"));
        for (client, path, place, kept) in [
            (&a, &sessions, "", "limit=2"),
            (&b, &public, "skip=1", "limit=2"),
            (&a, &participants, "skip=1", "include_email=true&limit=1"),
            (&a, &messages, "skip=1", "limit=1"),
            (&a, &messages, "before=2999-01-01T00:00:00Z", "limit=1"),
            (&a, &messages, "after=2", "limit=1"),
            // The token of a stream is in no link.
            (&a, &events, "after=2&t%6fken=secret", "wait=7&limit=1"),
        ] {
            let query = format!("?{place}&{kept}").replace("?&", "?");
            let reply = client.get(&format!("{path}{query}")).await;
            let links: Vec<_> = ["prev", "next"].into_iter().filter_map(|rel| link(&reply, rel)).collect();
            assert!(!links.is_empty(), "{path}{query}: {:?}", reply.body);
            reply.expect(200);
            for link in links {
                assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte)), "{link}");
                let mut found = parameters(&link);
                let places = ["after", "before"];
                assert_eq!(found.iter().filter(|(name, _)| places.contains(&name.as_str())).count(), 1, "{link}");
                found.retain(|(name, _)| !places.contains(&name.as_str()));
                assert_eq!(found, parameters(&format!("?{kept}")), "{link}");
                client.get(&format!("{path}{link}")).await.expect(200);
            }
        }
    }

    async fn parameters_are_given_once(server) {
        let a = server.client("a").await;
        let id = a.session("PUBLIC").await;
        let [participants, messages, events] =
            ["participants", "messages", "events"].map(|list| format!("/sessions/{id}/{list}"));
        for (path, query, name) in [
            ("/sessions", "limit=1&limit=1", "limit"),
            ("/sessions/public", "skip=0&%73kip=1", "skip"),
            (&*participants, "include_email=true&include_email=false", "include_email"),
            (&*messages, "before=5&before=6", "before"),
            (&*events, "after=0&after=1", "after"),
            (&*events, "wait=0&wait=0", "wait"),
        ] {
            let problem = a.get(&format!("{path}?{query}")).await.problem(400, "VALIDATION_INVALID_FORMAT");
            assert_eq!(problem["details"]["fields"][0]["field"], name, "{path}?{query}");
        }
        a.get("/sessions?q=1&q=2").await.problem(422, "VALIDATION_INVALID_VALUE");
    }

    async fn places_in_lists_are_checked(server) {
        let a = server.client("a").await;
        let id = a.session("PUBLIC").await;
        let lists = ["/sessions".to_owned(), "/sessions/public".to_owned(), format!("/sessions/{id}/participants")];
        for path in lists {
            for bad in ["", "x", "7", "..", "%00", &id.replace('-', ""), &id.to_uppercase(), "2999-01-01T00:00:00Z"] {
                a.get(&format!("{path}?after={bad}")).await.problem(400, "VALIDATION_INVALID_FORMAT");
            }
            let after = "after=00000000-0000-0000-0000-000000000000";
            let both = a.get(&format!("{path}?skip=1&{after}")).await.problem(422, "VALIDATION_INVALID_VALUE");
            assert!(both["details"].to_string().contains("skip"), "{both}");
            // A place that no entry has is one all the same.
            for bound in ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"] {
                a.get(&format!("{path}?skip=0&limit=100&after={bound}")).await.expect(200);
            }
        }
    }
}
