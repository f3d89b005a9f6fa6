//! Secrets, uploads and host keys.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use interlock::domain::access::{Permission, Resource};
use interlock::domain::ids::HostName;
use interlock::domain::secret::SecretText;
use interlock::store::blobs::{self, BlobKind, NewBlob};
use interlock::store::host_keys::{self, NewHostKey};
use interlock::store::secrets::{self, SecretKind};
use interlock::store::{RootKey, StoreError, Vault};
use zeroize::Zeroizing;

use super::access::{at, digest, job, key, mismatch, not_found, ops, person, system, with_project};
use super::databases::both;

const CLEAR: &str = "correct horse battery staple";

fn root() -> RootKey {
    RootKey::new([7; 32])
}

#[derive(QueryableByName)]
struct Raw {
    #[diesel(sql_type = Binary)]
    cipher: Vec<u8>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_and_versioned() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let vault = db.write(|c| Vault::open(c, &root(), at(0))).await.unwrap();
        db.write(|c| Vault::open(c, &root(), at(1))).await.unwrap();
        let wrong = db.write(|c| Vault::open(c, &RootKey::new([8; 32]), at(1))).await;
        assert!(matches!(wrong, Err(StoreError::WrongRootKey { version: 1 })), "{wrong:?}");

        let may =
            |path: &str, permission| person("alice", permission, &Resource::Key { project: ops(), path: key(path) });
        let put = |path: &'static str, value: &'static str| {
            let (vault, permit) = (vault.clone(), may(path, Permission::UseSecret));
            db.write(move |c| {
                secrets::put(
                    c,
                    &vault,
                    &permit,
                    &key(path),
                    SecretKind::Password,
                    &SecretText::new(value.to_owned()),
                    at(2),
                )
            })
        };
        assert_eq!(put("keys/ops/db", "old").await.unwrap(), 1);
        assert_eq!(put("keys/ops/db", CLEAR).await.unwrap(), 2);
        assert_eq!(put("keys/a", "a").await.unwrap(), 1);
        let read = |path: &'static str, version, permit: interlock::domain::access::Permit| {
            let vault = vault.clone();
            db.read(move |c| secrets::read(c, &vault, &permit, &key(path), version))
        };
        let use_db = || may("keys/ops/db", Permission::UseSecret);
        assert_eq!(read("keys/ops/db", 2, use_db()).await.unwrap().expose(), CLEAR);
        assert_eq!(read("keys/ops/db", 1, use_db()).await.unwrap().expose(), "old");
        not_found(read("keys/ops/db", 3, use_db()).await);
        mismatch(read("keys/ops/db", 2, may("keys/a", Permission::UseSecret)).await);
        mismatch(read("keys/ops/db", 2, may("keys/ops/db", Permission::View)).await);

        let raw = |c: &mut interlock::store::Conn| -> Result<Vec<Raw>, StoreError> {
            Ok(diesel::sql_query("SELECT cipher FROM secrets UNION ALL SELECT cipher FROM vault_checks").load(c)?)
        };
        for row in db.read(raw).await.unwrap() {
            assert!(!row.cipher.windows(6).any(|w| CLEAR.as_bytes().windows(6).any(|c| c == w)), "{}", fresh.name);
        }
        let list = db.read(|c| secrets::list(c, None, 10)).await.unwrap();
        assert_eq!(
            list.iter().map(|s| (s.path.as_str(), s.version)).collect::<Vec<_>>(),
            [("keys/a", 1), ("keys/ops/db", 2)]
        );
        assert_eq!(db.read(|c| secrets::versions(c, &key("keys/ops/db"), 10)).await.unwrap().len(), 2);

        // A ciphertext that is moved to another row does not open there.
        let swap = "UPDATE secrets SET cipher = (SELECT cipher FROM secrets WHERE path = 'keys/a'), \
                    nonce = (SELECT nonce FROM secrets WHERE path = 'keys/a') WHERE path = 'keys/ops/db' AND version = 1";
        db.write(move |c| Ok::<_, StoreError>(diesel::sql_query(swap).execute(c)?)).await.unwrap();
        assert!(matches!(read("keys/ops/db", 1, use_db()).await, Err(StoreError::Corrupt(_))));

        mismatch(
            db.write(|c| secrets::delete(c, &person("a", Permission::Edit, &job("x")), &key("keys/ops/db"))).await,
        );
        db.write({
            let permit = use_db();
            move |c| secrets::delete(c, &permit, &key("keys/ops/db"))
        })
        .await
        .unwrap();
        not_found(read("keys/ops/db", 2, use_db()).await);
        assert_eq!(db.read(|c| secrets::newest(c, &key("keys/ops/db"))).await.unwrap(), None);
        assert_eq!(db.read(|c| secrets::list(c, None, 10)).await.unwrap().len(), 1);
        let left = "SELECT count(*) AS n FROM secrets WHERE path = 'keys/ops/db' AND length(cipher) > 0";
        let count =
            move |c: &mut interlock::store::Conn| Ok::<Count, StoreError>(diesel::sql_query(left).get_result(c)?);
        assert_eq!(db.read(count).await.unwrap().n, 0);
        assert_eq!(put("keys/ops/db", "new").await.unwrap(), 3, "numbers are not given twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_host_keys() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let vault = db.write(|c| Vault::open(c, &root(), at(0))).await.unwrap();
        for (id, kind) in [("b1", BlobKind::File), ("b2", BlobKind::TypedSecret)] {
            let vault = vault.clone();
            let permit = person("alice", Permission::Run, &job("x"));
            let bytes = Zeroizing::new(vec![0, 255, 10]);
            let new = NewBlob { id: id.to_owned(), project: ops(), kind, name: "f.bin".to_owned(), bytes };
            db.write(move |c| blobs::put(c, &vault, &permit, &new, at(0))).await.unwrap();
        }
        let file = db.read(|c| blobs::find(c, "b1")).await.unwrap().unwrap();
        assert_eq!((file.size, file.sha256), (3, interlock::domain::digest::Digest::of(&[0, 255, 10])));
        assert_ne!(db.read(|c| blobs::find(c, "b2")).await.unwrap().unwrap().sha256, file.sha256);
        let mine = vault.clone();
        let bytes = db.read(move |c| blobs::read(c, &mine, &system(), "b2")).await.unwrap();
        assert_eq!(bytes.as_slice(), [0, 255, 10]);
        let own = person("zoe", Permission::Edit, &Resource::Account { name: super::access::user("zoe") });
        mismatch(db.read(move |c| blobs::read(c, &vault, &own, "b2")).await);
        assert!(db.write(|c| blobs::remove(c, &system(), "b1")).await.unwrap());
        assert!(!db.write(|c| blobs::remove(c, &system(), "b1")).await.unwrap());
        assert_eq!(db.write(|c| blobs::prune(c, &system(), at(1))).await.unwrap(), 1);

        let host = || HostName::parse("web1").unwrap();
        for (port, kind, text) in [
            (22, "ssh-ed25519", "AAA"),
            (22, "ssh-rsa", "BBB"),
            (2222, "ssh-ed25519", "CCC"),
            (22, "ssh-ed25519", "DDD"),
        ] {
            let permit = person("alice", Permission::Edit, &Resource::Project { project: ops() });
            let new = NewHostKey {
                project: ops(),
                host: host(),
                port,
                kind: kind.to_owned(),
                key_base64: text.to_owned(),
                fingerprint: format!("SHA256:{}", digest(text).short()),
            };
            db.write(move |c| host_keys::put(c, &permit, &new, at(0))).await.unwrap();
        }
        assert_eq!(db.read(|c| host_keys::list(c, &ops())).await.unwrap().len(), 3);
        let keys = db.read(move |c| host_keys::of_host(c, &ops(), &host(), 22)).await.unwrap();
        assert_eq!(keys.iter().map(|k| k.key_base64.as_str()).collect::<Vec<_>>(), ["DDD", "BBB"], "{}", fresh.name);
        assert_eq!(keys[0].enrolled_by, "user:alice");
        assert_eq!(db.write(move |c| host_keys::remove(c, &system(), &ops(), &host(), 22)).await.unwrap(), 2);
    }
}
