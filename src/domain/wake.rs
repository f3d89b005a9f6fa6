//! What servers on one database tell each other: that there is work, that a run changed, that one is to be stopped.
//!
//! A message holds numbers and nothing else. It only wakes: whoever hears it looks at the store, which alone is believed.
//! So a message that is lost, late, doubled or made up by somebody costs a look at most.

use std::collections::BTreeSet;

use super::ids::RunNumber;

/// One thing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// Something may be ready to start, stop or expire.
    Work,
    /// Somebody wants the run stopped.
    Cancel(RunNumber),
    /// The run's state or log changed.
    Changed(RunNumber),
}

/// The longest message, in bytes; PostgreSQL takes less than 8,000.
const LONGEST: usize = 4_000;

/// The messages that tell all of this, each with the mark of who tells it.
#[must_use]
pub fn write(from: &str, wakes: &BTreeSet<Wake>) -> Vec<String> {
    let mut messages = Vec::new();
    let mut message = from.to_owned();
    for wake in wakes {
        let word = match wake {
            Wake::Work => " work".to_owned(),
            Wake::Cancel(run) => format!(" cancel:{}", run.get()),
            Wake::Changed(run) => format!(" run:{}", run.get()),
        };
        if message.len() + word.len() > LONGEST {
            messages.push(std::mem::replace(&mut message, from.to_owned()));
        }
        message.push_str(&word);
    }
    if message.len() > from.len() {
        messages.push(message);
    }
    messages
}

/// What a message tells; nothing when it is one's own. Words of a later version are passed over.
#[must_use]
pub fn read(own: &str, message: &str) -> Vec<Wake> {
    let mut words = message.split(' ');
    if words.next() == Some(own) {
        return Vec::new();
    }
    words.filter_map(word).collect()
}

fn word(word: &str) -> Option<Wake> {
    if word == "work" {
        return Some(Wake::Work);
    }
    let (what, number) = word.split_once(':')?;
    let run = RunNumber::new(number.parse().ok().filter(|n| *n > 0)?);
    match what {
        "cancel" => Some(Wake::Cancel(run)),
        "run" => Some(Wake::Changed(run)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_by_others_only() {
        let run = RunNumber::new;
        let wakes = BTreeSet::from([Wake::Work, Wake::Changed(run(7)), Wake::Cancel(run(8)), Wake::Changed(run(9))]);
        let messages = write("a", &wakes);
        assert_eq!(messages, ["a work cancel:8 run:7 run:9"]);
        assert_eq!(read("b", &messages[0]).into_iter().collect::<BTreeSet<_>>(), wakes);
        assert_eq!(read("a", &messages[0]), []);
        assert!(write("a", &BTreeSet::new()).is_empty());
    }

    #[test]
    fn many_are_told_in_messages_that_fit() {
        let wakes: BTreeSet<Wake> = (1..2_000).map(|n| Wake::Changed(RunNumber::new(n))).collect();
        let messages = write("mark", &wakes);
        assert!(messages.len() > 1 && messages.iter().all(|m| m.len() <= LONGEST));
        let read: BTreeSet<Wake> = messages.iter().flat_map(|m| read("other", m)).collect();
        assert_eq!(read, wakes);
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        for text in ["", "a", "a ", "a run:", "a run:-1", "a run:0", "a run:1x", "a halt:1", "a work:1", "work"] {
            assert_eq!(read("b", text), [], "{text}");
        }
        assert_eq!(read("b", "a later:1 work"), [Wake::Work]);
    }
}
