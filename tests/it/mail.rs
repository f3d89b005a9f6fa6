//! Mail to a real server over encrypted connections, with a name and a password, and what is refused instead of sent.

use interlock::app::notices::Trouble;
use interlock::domain::notice::address::MailAddress;
use interlock::domain::secret::SecretText;
use interlock::notify::{Courier, Mail, MailSettings, Tls, Web};

use crate::harness::{Base, TestApp, operator};
use crate::notices::{ask, pager, tell, world};
use crate::program::{Install, ends};
use crate::sinks::MailServer;

const ACCOUNT: &str = "interlock:a good word";

fn mail(server: &MailServer, tls: Tls, password: &str, trusted: bool) -> Mail {
    Mail::new(MailSettings {
        host: "localhost".to_owned(),
        port: server.port,
        tls,
        from: MailAddress::parse("interlock@example.com").unwrap(),
        account: Some(("interlock".to_owned(), SecretText::new(password.to_owned()))),
        authority: trusted.then(|| std::fs::read(server.authority()).unwrap()),
    })
    .unwrap()
}

/// Somebody asks for a run, and whoever can sign is written to by this mail server.
fn told_by(mail: Mail) -> (TestApp, Vec<Trouble>) {
    let test = world(Base::Sqlite, &pager("http://127.0.0.1:9/"));
    ask(&test, "x");
    tell(&test, &Courier::new(Some(mail), Web::new(true)));
    let trouble = test.wait(test.app.undelivered(&operator())).unwrap();
    (test, trouble.into_iter().filter(|t| t.next_at.is_some()).collect())
}

#[test]
fn mail_is_sent_over_both_kinds_of_encryption_with_name_and_password() {
    for (way, tls) in [("starttls", Tls::StartTls), ("implicit", Tls::Implicit)] {
        let server = MailServer::start_as(way, ACCOUNT);
        let (_test, failing) = told_by(mail(&server, tls, "a good word", true));
        assert!(failing.is_empty(), "{way}: {failing:?}");
        let to: Vec<String> = server.mails().into_iter().flat_map(|m| m.to).collect();
        assert_eq!(to.len(), 2, "{way}: {to:?}");
        assert!(server.said().iter().all(|said| said == ACCOUNT), "{way}");
    }
}

#[test]
fn a_wrong_password_is_refused_and_said() {
    let server = MailServer::start_as("starttls", ACCOUNT);
    let (_test, failing) = told_by(mail(&server, Tls::StartTls, "a wrong word", true));
    assert!(!failing.is_empty() && failing.iter().all(|t| t.error.contains("name and password")), "{failing:?}");
    assert!(failing.iter().all(|t| !t.error.contains("a wrong word")));
    assert!(server.mails().is_empty());
}

#[test]
fn a_certificate_that_nobody_trusts_gets_neither_mail_nor_password() {
    for (way, tls) in [("starttls", Tls::StartTls), ("implicit", Tls::Implicit)] {
        let server = MailServer::start_as(way, ACCOUNT);
        let (_test, failing) = told_by(mail(&server, tls, "a good word", false));
        assert!(!failing.is_empty() && failing.iter().all(|t| t.error.contains("not trusted")), "{way}: {failing:?}");
        assert!(server.mails().is_empty() && server.said().is_empty(), "{way}");
    }
    // Another authority's word is worth nothing either.
    let (server, other) = (MailServer::start_as("starttls", ACCOUNT), MailServer::start_as("starttls", ACCOUNT));
    let mut settings = MailSettings {
        host: "localhost".to_owned(),
        port: server.port,
        tls: Tls::StartTls,
        from: MailAddress::parse("interlock@example.com").unwrap(),
        account: None,
        authority: Some(std::fs::read(other.authority()).unwrap()),
    };
    let (_test, failing) = told_by(Mail::new(settings.clone()).unwrap());
    assert!(!failing.is_empty() && server.mails().is_empty(), "{failing:?}");
    settings.authority = Some(b"no certificate".to_vec());
    assert!(Mail::new(settings).unwrap_err().contains("PEM"));
}

#[test]
fn where_the_offer_of_encryption_is_taken_out_nothing_is_said_in_clear() {
    // It takes names and passwords in clear, as whoever sits in between would.
    let server = MailServer::start_as("plain", ACCOUNT);
    let (_test, failing) = told_by(mail(&server, Tls::StartTls, "a good word", false));
    assert!(!failing.is_empty() && failing.iter().all(|t| t.error.contains("does not offer")), "{failing:?}");
    assert!(server.mails().is_empty() && server.said().is_empty());
}

#[test]
fn the_file_of_the_authority_is_looked_at_when_the_server_starts() {
    let install = Install::new();
    let given = ["serve", "--smtp", "localhost", "--smtp-from", "interlock@example.com", "--smtp-ca"];
    for (file, words) in [("/nowhere/ca.pem", "cannot be read"), (file!(), "PEM")] {
        let (_, said) = ends(&install.run(&[&given[..], &[file]].concat()), 2);
        assert!(said.contains(words), "{said}");
    }
}
