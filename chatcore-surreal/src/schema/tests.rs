use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::store::TABLES;
use surrealdb::engine::any;

use super::*;

/// A database of version 4 with people in a session, and with listed sessions.
async fn of_version_4() -> Surreal<Any> {
    let database = any::connect("mem://").await.expect("a database");
    database.use_ns("chatcore").use_db("chatcore").await.expect("a database");
    for text in &FILES[..4] {
        run(&database, text).await.expect("the schema");
    }
    run(&database, VERSION).await.expect("the schema");
    let rows = "UPSERT schema_version:current SET version = 4;\
        FOR $n IN 0..7 {\
            LET $room = u'018f2f5e-7c1a-7000-8000-000000000000';\
            LET $stay = type::uuid('018f2f5e-7c1a-7000-8000-00000000000' + <string> $n);\
            LET $participant = type::record('participant', [$room, 'user ' + <string> $n]);\
            LET $seat = type::record('seat', [$room, $stay]);\
            CREATE $participant SET stay = $stay, is_active = true, role = 'MEMBER', joined_at = time::now(), created_at = time::now(), \
                seat = $seat;\
            CREATE $seat SET participant = $participant;\
            CREATE type::record('listing', [$stay]) SET session = type::record('session', $stay);\
        }";
    run(&database, rows).await.expect("rows");
    database
}

async fn run(database: &Surreal<Any>, text: &str) -> Result<(), Error> {
    database.query(text).await?.check().map(drop)
}

/// How many rows are converted: seats, and listed sessions.
async fn converted(database: &Surreal<Any>) -> (i64, i64) {
    let text = "RETURN array::len(SELECT id FROM seat WHERE user != NONE AND participant = NONE);\
        RETURN array::len(SELECT id FROM directory)";
    let mut found = database.query(text).await.expect("an answer");
    let mut number = |place: usize| found.take::<Option<i64>>(place).expect("a number").expect("a number");
    (number(0), number(1))
}

async fn version(database: &Surreal<Any>) -> i64 {
    let found = database.query("RETURN schema_version:current.version").await.expect("an answer").take(0);
    found.map(|found: Option<i64>| found.expect("a version")).expect("a version")
}

#[tokio::test]
async fn an_upgrade_that_ends_anywhere_goes_on_later() {
    for pieces in 0.. {
        let database = of_version_4().await;
        let done = AtomicUsize::new(0);
        let go_on = || {
            let is_last = done.fetch_add(1, Ordering::Relaxed) == pieces;
            let outcome = if is_last { Err(Error::internal("killed".to_owned())) } else { Ok(()) };
            Box::pin(std::future::ready(outcome)) as Answer<'_>
        };
        let outcome = update_by(&database, 2, &go_on).await;
        if outcome.is_err() {
            // Four pieces of each table.
            let (seats, listed) = ((pieces + 1).min(4) * 2, (pieces + 1).saturating_sub(4) * 2);
            let expected = [seats, listed].map(|rows| i64::try_from(rows.min(7)).expect("a number"));
            assert_eq!(converted(&database).await, expected.into());
            assert_eq!(version(&database).await, 5);
            update(&database).await.expect("an upgrade");
        }
        assert_eq!((converted(&database).await, version(&database).await), ((7, 7), 6));
        let users: Vec<String> =
            database.query("SELECT VALUE user FROM seat").await.expect("an answer").take(0).expect("users");
        assert_eq!(users, (0..7).map(|n| format!("user {n}")).collect::<Vec<_>>());
        if outcome.is_ok() {
            assert_eq!(pieces, 8);
            return;
        }
    }
}

#[tokio::test]
async fn a_look_tells_what_an_upgrade_does_and_does_nothing() {
    let database = of_version_4().await;
    let before = look(&database).await.expect("a look");
    assert_eq!((before.found, before.known), (4, 6));
    let steps: Vec<_> = before.steps.iter().map(|step| (step.version, step.is_additive, step.rows.clone())).collect();
    assert_eq!(steps, [(5, false, vec![]), (6, false, vec![("seat", 7), ("listing", 7)])]);
    assert_eq!(version(&database).await, 4);
    // As many rows are left to convert.
    assert_eq!(look(&database).await.expect("a look"), before);

    assert_eq!(update(&database).await.expect("an upgrade"), 4);
    let after = look(&database).await.expect("a look");
    assert_eq!((after.found, after.steps.len()), (6, 0));
    assert_eq!(update(&database).await.expect("an upgrade"), 6);

    run(&database, "UPSERT schema_version:current SET version = 7").await.expect("a version");
    assert!(matches!(look(&database).await, Err(ConnectError::NewerSchema { found: 7, known: 6 })));
}

#[tokio::test]
async fn a_look_at_an_empty_database_makes_nothing() {
    let database = any::connect("mem://").await.expect("a database");
    database.use_ns("chatcore").use_db("chatcore").await.expect("a database");
    let found = look(&database).await.expect("a look");
    assert_eq!((found.found, found.steps.len()), (0, FILES.len()));
    assert!(found.steps.iter().all(|step| step.rows.is_empty()));
    assert!(database.query("SELECT * FROM schema_version").await.expect("an answer").check().is_err());
    assert_eq!(update(&database).await.expect("an upgrade"), 0);
}

#[tokio::test]
async fn rows_that_a_process_of_version_4_writes_meanwhile_are_converted() {
    let database = of_version_4().await;
    let (asked, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Each row stands before the rows that are converted already.
    let go_on = || {
        Box::pin(async {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            let stay = format!("u'018f2f5e-7c1a-6fff-8000-{:012}'", 999 - n);
            let rows = [
                format!(
                    "CREATE seat:[u'018f2f5e-7c1a-7000-8000-000000000000', {stay}] SET participant = participant:[0, 'late {n}']"
                ),
                format!("CREATE listing:[{stay}] SET session = session:x"),
            ];
            for text in rows {
                taken.fetch_add(usize::from(run(&database, &text).await.is_ok()), Ordering::Relaxed);
            }
            Ok(())
        }) as Answer<'_>
    };
    update_by(&database, 2, &go_on).await.expect("an upgrade");
    // Both rows are taken after each piece of the first round, and none is afterwards.
    let (asked, taken) = (asked.into_inner(), taken.into_inner());
    assert!(taken > 0 && taken.is_multiple_of(2) && taken / 2 < asked, "{taken} rows after {asked} pieces");
    let rows = i64::try_from(7 + taken / 2).expect("a number");
    assert_eq!((converted(&database).await, version(&database).await), ((rows, rows), 6));
    let left = "RETURN array::len(SELECT id FROM listing) + array::len(SELECT id FROM seat WHERE user = NONE)";
    let left: Option<i64> = database.query(left).await.expect("an answer").take(0).expect("a number");
    assert_eq!(left, Some(0));
}

#[tokio::test]
async fn a_process_of_version_4_cannot_write_any_more() {
    let database = of_version_4().await;
    let writes = [
        "UPSERT session:u'018f2f5e-7c1a-7000-8000-000000000001' CONTENT { title: 'A room' }",
        "UPSERT participant:[u'018f2f5e-7c1a-7000-8000-000000000000', 'user 1'] CONTENT { role: 'MEMBER' }",
        "UPSERT seat:[u'018f2f5e-7c1a-7000-8000-000000000000', u'018f2f5e-7c1a-7000-8000-000000000009'] SET participant = participant:x",
        "UPSERT membership:['user 1', u'018f2f5e-7c1a-7000-8000-000000000000'] SET session = session:x",
        "UPSERT profile:x SET name = 'X'",
        "UPSERT listing:[u'018f2f5e-7c1a-7000-8000-000000000009'] SET session = session:x",
    ];
    update(&database).await.expect("an upgrade");
    for text in writes {
        let error = run(&database, text).await.expect_err(text);
        assert!(error.message().contains("older than the database"), "{text}: {error}");
    }
    // What this version writes is taken, also to rows of version 4.
    run(&database, "UPDATE participant SET _held = 1").await.expect("held rows");
    run(&database, "UPSERT profile:x CONTENT { name: 'X', _version: 1 }").await.expect("a record");
    run(&database, "DELETE seat").await.expect("no rows");
}

/// The others are defined when they are first used.
#[test]
fn the_schema_has_the_governed_tables_of_the_core() {
    let governed = TABLES.iter().filter(|table| table.governed);
    assert!(governed.clone().count() >= 2);
    for table in governed {
        assert!(defines(table.name), "no file defines the table {}", table.name);
    }
    assert!(!defines("counter"));
}
