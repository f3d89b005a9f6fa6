//! Naive Bayes over the words of texts: how likely each word is under each label.

use std::collections::BTreeMap;

use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::naive_bayes::multinomial::{MultinomialNB, MultinomialNBParameters};

use super::words;

/// The most words that are known; those of most texts are kept.
const MOST_WORDS: usize = 2_000;
/// Texts that a word must be in to be known: one that was seen once tells by accident.
const FEWEST_TEXTS: usize = 2;
/// The share of known words below which a text is too foreign to be told for sure.
const FAMILIAR: f64 = 0.6;

/// How likely words are.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    labels: Vec<String>,
    /// Each known word with its place.
    words: BTreeMap<String, usize>,
    /// By label, then by the word's place.
    likely: Vec<Vec<f64>>,
}

/// What a text was told to be.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) label: String,
    /// From 0 to 1; says which of two is surer, not yet how often that is right.
    pub(super) score: f64,
    /// From 0 to 1: how much of the text is known words.
    pub(super) familiar: f64,
    /// The words that spoke most for it, the strongest first.
    pub(super) words: Vec<String>,
    /// How many words are not known.
    pub(super) unknown: usize,
}

impl Learned {
    /// Learns from texts with their labels; nothing where they have no words in common.
    pub(super) fn from(examples: &[(&str, &str)]) -> Option<Self> {
        let texts: Vec<_> = examples.iter().map(|(text, _)| words::of(text)).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in texts.iter().flatten() {
            *counts.entry(word).or_default() += 1;
        }
        let mut common: Vec<(&str, usize)> = counts.into_iter().filter(|(_, n)| *n >= FEWEST_TEXTS).collect();
        common.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        common.truncate(MOST_WORDS);
        let words: BTreeMap<String, usize> =
            common.iter().enumerate().map(|(place, (word, _))| ((*word).to_owned(), place)).collect();
        let mut labels: Vec<String> = examples.iter().map(|(_, label)| (*label).to_owned()).collect();
        labels.sort();
        labels.dedup();
        let place = |label: &str| labels.iter().position(|known| known == label).and_then(|n| u32::try_from(n).ok());
        let of: Vec<u32> = examples.iter().filter_map(|(_, label)| place(label)).collect();
        let mut cells = Vec::with_capacity(texts.len() * words.len());
        for text in &texts {
            cells.extend(common.iter().map(|(word, _)| u32::from(text.contains(*word))));
        }
        let table = DenseMatrix::new(texts.len(), words.len(), cells, false).ok().filter(|_| !words.is_empty())?;
        let fitted = MultinomialNB::fit(&table, &of, MultinomialNBParameters::default()).ok()?;
        let likely = fitted.feature_log_prob().clone();
        (likely.len() == labels.len() && labels.len() > 1).then_some(Self { labels, words, likely })
    }

    /// What a text is, by its known words; nothing where it has none.
    pub(super) fn tell(&self, text: &str) -> Option<Told> {
        let all = words::of(text);
        let known: Vec<(&str, usize)> = all
            .iter()
            .filter_map(|word| self.words.get_key_value(word))
            .map(|(word, at)| (word.as_str(), *at))
            .collect();
        if known.is_empty() {
            return None;
        }
        let likely =
            |label: usize, word: usize| self.likely.get(label).and_then(|l| l.get(word)).copied().unwrap_or(0.0);
        let sums: Vec<f64> =
            (0..self.labels.len()).map(|label| known.iter().map(|(_, word)| likely(label, *word)).sum()).collect();
        let mut order: Vec<(usize, f64)> = sums.into_iter().enumerate().collect();
        order.sort_by(|(i, a), (j, b)| b.total_cmp(a).then(i.cmp(j)));
        let ((best, most), (second, _)) = (*order.first()?, *order.get(1)?);
        // Words of a text come together, so that many of them say less than so many by themselves would.
        let weight = count(known.len()).sqrt();
        let others: f64 = order.iter().skip(1).map(|(_, sum)| ((sum - most) / weight).exp()).sum();
        let familiar = (count(known.len()) / count(all.len()) / FAMILIAR).min(1.0);
        let speaks = |word: usize| likely(best, word) - likely(second, word);
        let mut spoken: Vec<(&str, f64)> =
            known.iter().map(|(word, at)| (*word, speaks(*at))).filter(|(_, weight)| *weight > 0.0).collect();
        spoken.sort_by(|(a, m), (b, n)| n.total_cmp(m).then(a.cmp(b)));
        Some(Told {
            label: self.labels.get(best)?.clone(),
            score: 1.0 / (1.0 + others),
            familiar,
            words: spoken.into_iter().map(|(word, _)| word.to_owned()).collect(),
            unknown: all.len() - known.len(),
        })
    }
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}
