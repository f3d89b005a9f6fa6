use super::*;

const LABELS: [&str; 3] = ["disk-full", "network", "certificate"];

fn labels() -> Vec<LabelName> {
    LABELS.iter().map(|label| LabelName::parse(label).unwrap()).collect()
}

/// Alerts as monitoring writes them, `round` telling them apart; some words are those of every label.
fn alert(label: &str, round: usize) -> String {
    let parts: [&[&str]; 3] = match label {
        "disk-full" => [
            &["filesystem", "volume", "partition", "mount"],
            &["has no space left", "is almost full", "ran out of inodes", "usage above threshold"],
            &["rotate logs", "free some space", "write failed", "cannot create file"],
        ],
        "network" => [
            &["interface", "switch port", "link", "gateway"],
            &["is down", "drops packets", "flaps", "is unreachable"],
            &["ping loss high", "no carrier", "retransmits rise", "connect timed out"],
        ],
        _ => [
            &["certificate", "tls chain", "issuer", "keystore"],
            &["expires soon", "has expired", "is not trusted", "does not match host"],
            &["renew with acme", "handshake failed", "replace the pem", "ocsp stapling missing"],
        ],
    };
    let pick = |part: &[&str], step: usize| part[(round / step) % part.len()].to_owned();
    let shared = ["warning on host", "alert for server", "critical at node"][round % 3];
    format!("{shared} web{round}: {} {}, {}", pick(parts[0], 1), pick(parts[1], 4), pick(parts[2], 3))
}

fn taught(rounds: std::ops::Range<usize>) -> Vec<Example> {
    let of = |label: &&str| {
        let label = (*label).to_owned();
        rounds.clone().map(move |round| Example { text: alert(&label, round), label: label.clone() })
    };
    LABELS.iter().flat_map(|label| of(label).collect::<Vec<_>>()).collect()
}

#[test]
fn with_too_few_labels_it_says_how_many_are_missing() {
    let mut examples = taught(0..8);
    examples.retain(|e| e.label != "network" || e.text.contains("web0:") || e.text.contains("web1:"));
    examples.push(Example { text: examples[0].text.clone(), label: "disk-full".to_owned() });
    let label = Classifier::learn(&labels(), &examples).label("link is down");
    assert_eq!(label.trouble, "It has too few labels to learn from: 6 more for network.");
    assert_eq!((label.class, label.confidence), (None, 0.0));
    let nothing = Classifier::learn(&labels(), &[]).label("x");
    assert!(nothing.trouble.contains("8 more for disk-full, 8 more for network, 8 more for certificate"));
}

#[test]
fn what_it_learned_it_tells_with_the_words_that_spoke_for_it() {
    let classifier = Classifier::learn(&labels(), &taught(0..24));
    let label = classifier.label("warning on host web99: the volume has no space left, write failed");
    assert_eq!(label.class.as_deref(), Some("disk-full"));
    assert!(label.confidence > 0.9, "{label:?}");
    assert!(label.reason.contains("space") && label.reason.contains("72 labelled texts"), "{label:?}");
    assert!(!label.quoted);
}

#[test]
fn how_sure_it_is_holds_for_texts_that_it_did_not_learn_from() {
    let classifier = Classifier::learn(&labels(), &taught(0..24));
    let mut tried: Vec<(f64, bool)> = taught(24..48)
        .iter()
        .map(|e| {
            let label = classifier.label(&e.text);
            (label.confidence, label.class.as_deref() == Some(e.label.as_str()))
        })
        .collect();
    tried.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mean = |part: &[(f64, bool)]| {
        let n = part.len() as f64;
        (part.iter().map(|(sure, _)| sure).sum::<f64>() / n, part.iter().filter(|(_, right)| *right).count() as f64 / n)
    };
    let (sure, right) = mean(&tried);
    assert!(right > 0.9, "it learned something: {right}");
    assert!(sure <= right + 0.02, "it thinks {sure} and is right in {right}");
}

#[test]
fn words_that_nobody_labelled_make_it_unsure() {
    let classifier = Classifier::learn(&labels(), &taught(0..24));
    let known = "the volume has no space left, write failed";
    let mut last = 1.0;
    for strange in 0..30 {
        let more: Vec<String> = (0..strange)
            .map(|n| format!("zq{}x", "abcdefghijklmnopqrstuvwxyzabcd".get(n..=n).unwrap().repeat(n + 1)))
            .collect();
        let label = classifier.label(&format!("{known} {}", more.join(" ")));
        assert!(label.confidence <= last, "{strange} strange words make it surer: {} after {last}", label.confidence);
        last = label.confidence;
    }
    assert!(last < 0.5, "mostly strange words: {last}");
    let strange = classifier.label("quux frobnicates zanzibar");
    assert_eq!((strange.class, strange.trouble.as_str()), (None, "It knows no word of this text."));
    let common = classifier.label("warning on host");
    assert!(common.confidence < 0.7, "words of every label tell nothing: {common:?}");
}

#[test]
fn what_contradicts_itself_is_never_sure() {
    // The same words under every label in turn.
    let examples: Vec<Example> = (0..90)
        .map(|n| Example {
            text: format!(
                "service {} restarted after a timeout {}",
                ["a1b", "c2d", "e3f"][n % 3],
                "x".repeat(2 + n % 30)
            ),
            label: LABELS[(n / 3) % 3].to_owned(),
        })
        .collect();
    let classifier = Classifier::learn(&labels(), &examples);
    for example in &examples {
        let label = classifier.label(&example.text);
        assert!(label.confidence < 0.7, "{label:?}");
    }
}

#[test]
fn learning_is_the_same_in_whatever_order() {
    let examples = taught(0..12);
    let mut turned = examples.clone();
    turned.reverse();
    let (one, other) = (Classifier::learn(&labels(), &examples), Classifier::learn(&labels(), &turned));
    for example in taught(12..20) {
        assert_eq!(one.label(&example.text), other.label(&example.text));
    }
}
