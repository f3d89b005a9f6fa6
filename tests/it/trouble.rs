//! What is in the way, tried for real: a taken port, a folder of another account, a key file that is gone, a database of
//! a later version. Each is told in a sentence that says what is wrong, where, and what to do; nothing is half done.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Output, Stdio};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::harness::{Base, on_both_databases};
use crate::program::{Install, ends};
use crate::store_contract::databases::{Fresh, postgres};

on_both_databases! {
    a_database_of_a_later_version_is_left_alone
    a_lost_key_file_is_asked_for_and_never_made_anew
    another_key_file_is_refused
}

/// What the program said against going on.
#[track_caller]
fn complaint(output: &Output) -> String {
    let (out, err) = ends(output, 1);
    assert!(out.is_empty() && err.lines().count() == 1, "{out}\n{err}");
    err
}

#[track_caller]
fn says(complaint: &str, parts: &[&str]) {
    for part in parts {
        assert!(complaint.contains(part), "`{part}` is missing: {complaint}");
    }
}

fn serve(install: &Install) -> Output {
    install.run(&["serve", "--listen", "127.0.0.1:0"])
}

fn install_on(base: Base) -> (Install, Option<Fresh>) {
    let fresh = (base == Base::Postgres).then(postgres);
    (fresh.as_ref().map_or_else(Install::new, |fresh| Install::on(&fresh.url)), fresh)
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let install = Install::new();
    let said = complaint(&install.run(&["serve", "--listen", &address]));
    says(&said, &[&address, "in use by another program", "stop it", "--listen 127.0.0.1:PORT"]);
    assert!(!install.data().exists(), "a server that cannot listen leaves nothing behind");
}

fn a_database_of_a_later_version_is_left_alone(base: Base) {
    let (install, fresh) = install_on(base);
    ends(&install.run(&["user", "list"]), 0);
    let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')";
    let place = match &fresh {
        Some(fresh) => {
            PgConnection::establish(&fresh.url).unwrap().batch_execute(later).unwrap();
            "postgres"
        }
        None => {
            let path = install.data().join("interlock.db");
            SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(later).unwrap();
            "data/interlock.db"
        }
    };
    for output in [serve(&install), install.run(&["user", "list"])] {
        says(&complaint(&output), &[place, "29990101000000", "does not know", "install the version that wrote it"]);
    }
}

fn a_lost_key_file_is_asked_for_and_never_made_anew(base: Base) {
    let (install, _fresh) = install_on(base);
    ends(&install.feed(&["key", "put", "keys/ops/secret", "--type", "secret"], "a value"), 0);
    let key = install.data().join("root.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let said = complaint(&serve(&install));
    says(&said, &[key.to_str().unwrap(), "missing", "Put the key file back from your backup"]);
    assert!(!key.exists());
    // Also where nothing but the key tells that the folder was ever used.
    for file in ["audit-heads.jsonl", "runs"] {
        let path = install.data().join(file);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { drop(std::fs::remove_file(path)) }
    }
    says(&complaint(&serve(&install)), &[key.to_str().unwrap(), "missing"]);
    assert!(!key.exists());
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o400)).unwrap();
    ends(&install.run(&["key", "list"]), 0);
}

fn another_key_file_is_refused(base: Base) {
    let (install, _fresh) = install_on(base);
    ends(&install.feed(&["key", "put", "keys/ops/secret", "--type", "secret"], "a value"), 0);
    let key = install.data().join("root.key");
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&key, "ab".repeat(32)).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o400)).unwrap();
    let said = complaint(&serve(&install));
    says(&said, &[key.to_str().unwrap(), "does not fit", "put the key file back that this database was made with"]);
}

/// An account that owns nothing here.
const NOBODY: u32 = 65_534;

/// The program as that account.
fn as_nobody(install: &Install) -> Output {
    // The tests' own folder may be closed to that account.
    let program = install.path().join("interlock");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_interlock"), &program).unwrap();
    }
    let mut command = Command::new("setpriv");
    let account = NOBODY.to_string();
    command.args(["--reuid", &account, "--regid", &account, "--clear-groups"]).arg(&program);
    command.arg("--data").arg(install.data()).args(["user", "list"]).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn a_folder_of_another_account_is_named_with_a_way_out() {
    let install = Install::new();
    std::fs::set_permissions(install.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let data = install.data();
    let place = data.to_str().unwrap();
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let way_out = ["Permission denied", "--data", "chown"];

    // It cannot be made.
    let said = complaint(&as_nobody(&install));
    says(&said, &[place]);
    says(&said, &way_out);

    // It is somebody else's, closed or open.
    std::fs::create_dir(&data).unwrap();
    mode(&data, 0o700);
    let said = complaint(&as_nobody(&install));
    says(&said, &[place]);
    says(&said, &way_out);
    mode(&data, 0o755);
    let said = complaint(&as_nobody(&install));
    says(&said, &[place, "--data", "chown"]);

    // It may be read but not written.
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    mode(&data, 0o500);
    let said = complaint(&as_nobody(&install));
    says(&said, &[place]);
    says(&said, &way_out);

    // It is right, but somebody worked in it as root.
    mode(&data, 0o700);
    ends(&install.run(&["user", "list"]), 0);
    chown(data.join("root.key"), Some(NOBODY), Some(NOBODY)).unwrap();
    let said = complaint(&as_nobody(&install));
    says(&said, &[data.join("interlock.db").to_str().unwrap()]);
    says(&said, &way_out);
    chown(data.join("root.key"), Some(0), Some(0)).unwrap();
    let said = complaint(&as_nobody(&install));
    says(&said, &[data.join("root.key").to_str().unwrap()]);
    says(&said, &way_out);
    let files = std::fs::read_dir(&data).unwrap();
    files.for_each(|file| chown(file.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap());
    ends(&as_nobody(&install), 0);
}
