//! Both migration trees make the tables that `schema.rs` describes.

use std::collections::{BTreeMap, BTreeSet};

use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use interlock::store::{Conn, StoreError};

use super::databases::both;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

type Columns = BTreeMap<(String, String), (String, bool)>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

const ON_SQLITE: &str = "SELECT m.name AS table_name, i.name AS column_name, i.type AS kind, i.\"notnull\" = 0 AS nullable \
     FROM sqlite_master m, pragma_table_info(m.name) i WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
const ON_POSTGRES: &str = "SELECT table_name::text, column_name::text, data_type::text AS kind, is_nullable = 'YES' AS nullable \
     FROM information_schema.columns WHERE table_schema = 'public'";

fn found(c: &mut Conn) -> Result<Columns, StoreError> {
    let query = if matches!(c, Conn::Sqlite(_)) { ON_SQLITE } else { ON_POSTGRES };
    let rows: Vec<Column> = diesel::sql_query(query).load(c)?;
    Ok(rows
        .into_iter()
        .filter(|row| row.table_name != "__diesel_schema_migrations")
        .map(|row| {
            let kind = match row.kind.to_ascii_lowercase().as_str() {
                "text" => "Text",
                "bigint" => "BigInt",
                // The number of a run has to be called so on SQLite to be given out by it; it has 64 bits all the same.
                "integer" if (row.table_name.as_str(), row.column_name.as_str()) == ("runs", "number") => "BigInt",
                "integer" => "Integer",
                "boolean" => "Bool",
                "timestamp" | "timestamp without time zone" => "Timestamp",
                "blob" | "bytea" => "Binary",
                other => panic!("{}.{} is {other}", row.table_name, row.column_name),
            };
            ((row.table_name, row.column_name), (kind.to_owned(), row.nullable))
        })
        .collect())
}

fn described() -> Columns {
    let mut columns = Columns::new();
    let mut table = String::new();
    for line in include_str!("../../../src/store/schema.rs").lines().map(str::trim) {
        if let Some((column, kind)) = line.split_once(" -> ").filter(|_| line.ends_with(',')) {
            let kind = kind.trim_end_matches(',');
            let inner = kind.strip_prefix("Nullable<").and_then(|k| k.strip_suffix('>'));
            let what = (inner.unwrap_or(kind).to_owned(), inner.is_some());
            columns.insert((table.clone(), column.to_owned()), what);
        } else if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            table = name.to_owned();
        }
    }
    columns
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_as_described() {
    let described = described();
    assert!(described.len() > 150);
    for fresh in both() {
        let found = fresh.db.read(found).await.unwrap();
        let tell = |a: &Columns, b: &Columns| {
            a.iter().filter(|(k, v)| b.get(k) != Some(v)).map(|x| format!("{x:?}")).collect::<Vec<_>>()
        };
        assert_eq!(tell(&found, &described), Vec::<String>::new(), "only in {}", fresh.name);
        assert_eq!(tell(&described, &found), Vec::<String>::new(), "not in {}", fresh.name);
    }
}

#[test]
fn both_trees_have_the_same_migrations() {
    let names = |tree: &str| -> BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(tree);
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
    // Of two with the same version diesel applies one and says nothing of the other.
    let all = names("sqlite");
    let versions: BTreeSet<&str> = all.iter().filter_map(|n| n.split_once('_')).map(|(version, _)| version).collect();
    assert_eq!(versions.len(), all.len(), "{all:?}");
}

/// The plan stood in the run's own row before.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_keeps_its_plan_back_and_forth() {
    use diesel::connection::SimpleConnection;
    use interlock::domain::run::State;
    use interlock::store::{Db, Options, runs};
    for fresh in both() {
        super::access::with_project(&fresh.db).await;
        let number = super::runs::make(&fresh.db, super::runs::new_run("deploy", State::Queued), 0).await;
        let before = fresh.db.read(move |c| runs::plan(c, number)).await.unwrap();
        let tree = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(fresh.name);
        let back = std::fs::read_to_string(tree.join("2026-11-29-001400_run_plans/down.sql")).unwrap();
        let back = format!("{back} DELETE FROM __diesel_schema_migrations WHERE version = '20261129001400'");
        fresh.db.write(move |c| Ok::<_, StoreError>(c.batch_execute(&back)?)).await.unwrap();
        fresh.db.read(move |c| runs::plan(c, number)).await.unwrap_err();
        let forth = Db::open(&fresh.url, &Options::default()).unwrap();
        let after = forth.read(move |c| runs::plan(c, number)).await.unwrap();
        assert!(!after.0.is_empty() && after == before, "{}", fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_opens_again_and_one_of_a_later_version_does_not() {
    use diesel::connection::SimpleConnection;
    use interlock::store::{Db, Options};
    for fresh in both() {
        Db::open(&fresh.url, &Options::default()).unwrap();
        let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')";
        fresh.db.write(move |c| Ok::<_, StoreError>(c.batch_execute(later)?)).await.unwrap();
        let refused = Db::open(&fresh.url, &Options::default()).unwrap_err();
        assert!(refused.to_string().contains("29990101000000"), "{}: {refused}", fresh.name);
    }
}

/// Takes every version back, the newest first; how many there were.
fn down<C, DB>(mut c: C, source: EmbeddedMigrations) -> usize
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    c.revert_all_migrations(source).unwrap().len()
}

/// Brings every version that is not there; how many there were.
fn up<C, DB>(mut c: C, source: EmbeddedMigrations) -> usize
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    c.run_pending_migrations(source).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_can_be_taken_back_and_brought_again() {
    let described = described();
    let sqlite = |path: &str| SqliteConnection::establish(path).unwrap();
    let postgres = |url: &str| PgConnection::establish(url).unwrap();
    for fresh in both() {
        let taken = match fresh.url.strip_prefix("sqlite:") {
            Some(path) => down(sqlite(path), SQLITE),
            None => down(postgres(&fresh.url), POSTGRES),
        };
        let left = fresh.db.read(found).await.unwrap();
        assert!(taken > 15 && left.is_empty(), "{}: {taken}, {left:?}", fresh.name);
        let brought = match fresh.url.strip_prefix("sqlite:") {
            Some(path) => up(sqlite(path), SQLITE),
            None => up(postgres(&fresh.url), POSTGRES),
        };
        assert_eq!(brought, taken, "{}", fresh.name);
        assert_eq!(fresh.db.read(found).await.unwrap(), described, "{}", fresh.name);
    }
}
