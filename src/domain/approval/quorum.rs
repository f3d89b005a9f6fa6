//! Who counts as whom, and which places of a quorum are filled.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Need;
use crate::domain::digest::Digest;
use crate::domain::ids::{RoleName, UserName};

/// The accounts of one human being: those that they have now, and those that they had when they acted.
///
/// Two parties that share a name are the same human being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party(BTreeSet<UserName>);

impl Party {
    /// Of an account and the names that it is known by beside its own.
    #[must_use]
    pub fn new(account: &UserName, known_as: impl IntoIterator<Item = UserName>) -> Self {
        let mut names = BTreeSet::from([account.clone()]);
        names.extend(known_as);
        Self(names)
    }

    /// This one and another together: who speaks in the name of another may not come after either of them.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Whether both are the same human being.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }
}

/// One approval, with what its signer may do at the moment of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The account that signed.
    pub user: UserName,
    /// Who that is.
    pub party: Party,
    /// The roles that count for them: none once they may not approve any more.
    pub roles: BTreeSet<RoleName>,
    /// The digest that they looked at.
    pub digest: Digest,
}

/// Signatures that a request still lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSignature {
    /// The role that signs.
    pub role: RoleName,
    /// How many more people.
    pub count: u32,
}

/// Human beings, each once, with the roles of all their accounts.
fn people(signatures: &[Signature]) -> Vec<(Party, BTreeSet<RoleName>)> {
    let mut people: Vec<(Party, BTreeSet<RoleName>)> = Vec::new();
    for signature in signatures {
        let (mut party, mut roles) = (signature.party.clone(), signature.roles.clone());
        let (same, others): (Vec<_>, Vec<_>) = people.into_iter().partition(|(known, _)| known.is(&party));
        for (known, more) in same {
            party.0.extend(known.0);
            roles.extend(more);
        }
        people = others;
        people.push((party, roles));
    }
    people
}

/// What the quorum still lacks. One human being fills one place, whatever roles and accounts they hold, and people are
/// placed so that as many places as possible are filled.
#[must_use]
pub fn missing(need: &[Need], signatures: &[Signature]) -> Vec<MissingSignature> {
    let places: Vec<&RoleName> =
        need.iter().flat_map(|n| std::iter::repeat_n(&n.role, usize::try_from(n.count).unwrap_or(0))).collect();
    let people: Vec<BTreeSet<RoleName>> = people(signatures).into_iter().map(|(_, roles)| roles).collect();
    let mut holder: BTreeMap<usize, usize> = BTreeMap::new();
    for person in 0..people.len() {
        let mut tried = BTreeSet::new();
        place(person, &places, &people, &mut holder, &mut tried);
    }
    let mut open: BTreeMap<&RoleName, u32> = BTreeMap::new();
    for (index, role) in places.iter().enumerate() {
        if !holder.contains_key(&index) {
            *open.entry(role).or_default() += 1;
        }
    }
    open.into_iter().map(|(role, count)| MissingSignature { role: role.clone(), count }).collect()
}

/// Finds a place for a person, moving others to free one (augmenting path of a bipartite matching).
fn place(
    person: usize,
    places: &[&RoleName],
    people: &[BTreeSet<RoleName>],
    holder: &mut BTreeMap<usize, usize>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for (index, role) in places.iter().enumerate() {
        let fits = people.get(person).is_some_and(|p| p.contains(*role));
        if !fits || !tried.insert(index) {
            continue;
        }
        let free = match holder.get(&index).copied() {
            None => true,
            Some(other) => place(other, places, people, holder, tried),
        };
        if free {
            holder.insert(index, person);
            return true;
        }
    }
    false
}

/// The lines in words: "1 × manager, 1 × dba".
#[must_use]
pub fn describe(need: &[Need]) -> String {
    need.iter().map(|n| format!("{} × {}", n.count, n.role)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> RoleName {
        RoleName::parse(name).unwrap()
    }

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn signed(name: &str, known_as: &str, roles: &[&str]) -> Signature {
        Signature {
            user: user(name),
            party: Party::new(&user(name), [user(known_as)]),
            roles: roles.iter().map(|r| role(r)).collect(),
            digest: Digest::of(b"plan"),
        }
    }

    fn need(lines: &[(&str, u32)]) -> Vec<Need> {
        lines.iter().map(|(name, count)| Need { role: role(name), count: *count, when: None }).collect()
    }

    fn lacks(need: &[Need], signatures: &[Signature]) -> Vec<(String, u32)> {
        missing(need, signatures).into_iter().map(|m| (m.role.to_string(), m.count)).collect()
    }

    #[test]
    fn one_person_in_two_roles_fills_one_place() {
        let both = need(&[("manager", 1), ("dba", 1)]);
        let alice = signed("alice", "alice", &["manager", "dba"]);
        assert_eq!(lacks(&both, std::slice::from_ref(&alice)).len(), 1);
        // Whoever has only one of the roles takes that place, and the other one moves.
        for order in [[alice.clone(), signed("bob", "bob", &["manager"])], [signed("bob", "bob", &["dba"]), alice]] {
            assert_eq!(lacks(&both, &order), []);
        }
    }

    #[test]
    fn two_accounts_of_one_person_fill_one_place() {
        let two = need(&[("manager", 2)]);
        let first = signed("alice", "alice", &["manager"]);
        let second = signed("alice-adm", "alice", &["manager"]);
        assert_eq!(lacks(&two, &[first.clone(), second.clone()]), [("manager".to_owned(), 1)]);
        assert_eq!(lacks(&two, &[first, second, signed("bob", "bob", &["manager"])]), []);
        // Two further accounts that name the same person, without the person's own.
        let others = [signed("a2", "alice", &["manager"]), signed("a3", "alice", &["manager"])];
        assert_eq!(lacks(&two, &others), [("manager".to_owned(), 1)]);
    }

    #[test]
    fn who_lost_the_role_fills_nothing() {
        assert_eq!(lacks(&need(&[("manager", 1)]), &[signed("alice", "alice", &[])]), [("manager".to_owned(), 1)]);
    }
}
