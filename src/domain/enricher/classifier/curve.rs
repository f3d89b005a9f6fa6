//! How often a score was right: a curve that never falls, from scores and whether they were.

/// Steps from left to right; each begins at a score and has the share that was right.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curve(Vec<(f64, f64)>);

/// Scores that are taken together, as they were right equally often.
#[derive(Debug, Clone, Copy)]
struct Block {
    from: f64,
    right: f64,
    all: f64,
}

impl Curve {
    /// The curve of these scores.
    pub(super) fn of(mut outcomes: Vec<(f64, bool)>) -> Self {
        outcomes.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut blocks: Vec<Block> = Vec::new();
        for (score, right) in outcomes {
            let mut block = Block { from: score, right: f64::from(u8::from(right)), all: 1.0 };
            // What was right no more often than what lies left of it belongs together with that.
            while let Some(last) = blocks.pop() {
                if last.right * block.all < block.right * last.all {
                    blocks.push(last);
                    break;
                }
                block = Block { from: last.from, right: last.right + block.right, all: last.all + block.all };
            }
            blocks.push(block);
        }
        // One more right and one more wrong in each: few trials prove little, and nothing is ever certain.
        let mut steps: Vec<(f64, f64)> = blocks.iter().map(|b| (b.from, (b.right + 1.0) / (b.all + 2.0))).collect();
        let mut least = 1.0_f64;
        for (_, share) in steps.iter_mut().rev() {
            least = least.min(*share);
            *share = least;
        }
        Self(steps)
    }

    /// The share that was right at a score; none where nothing was tried.
    pub(super) fn at(&self, score: f64) -> f64 {
        let below = self.0.iter().rev().find(|(from, _)| *from <= score);
        below.or(self.0.first()).map_or(0.0, |(_, share)| *share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_never_falls_and_is_never_certain() {
        let wrong = (0..20).map(|n| (f64::from(n) / 100.0, n % 3 == 0));
        let right = (0..40).map(|n| (0.5 + f64::from(n) / 100.0, n != 7));
        let curve = Curve::of(wrong.chain(right).collect());
        let mut last = 0.0;
        for n in 0..=100 {
            let here = curve.at(f64::from(n) / 100.0);
            assert!(here >= last && here < 1.0, "{n}: {here} after {last}");
            last = here;
        }
        assert!(curve.at(0.1) < 0.5 && curve.at(0.9) > 0.9, "{curve:?}");
        assert_eq!(Curve::default().at(0.9), 0.0);
        assert_eq!(Curve::of(vec![(0.9, true)]).at(0.95), 2.0 / 3.0);
    }
}
