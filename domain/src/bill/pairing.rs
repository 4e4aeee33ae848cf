//! Which of two rows of days belong together when nothing but the day tells.

/// How good a pairing is: first how many pairs it has, then how few days lie between them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    pairs: u32,
    /// Below zero: the days between the two of each pair, summed.
    closeness: i64,
}

/// The best scores of what is left of both rows, from every place on.
struct Scores {
    width: usize,
    cells: Vec<Score>,
}

impl Scores {
    fn at(&self, left: usize, right: usize) -> Score {
        self.cells.get(left * self.width + right).copied().unwrap_or_default()
    }

    fn set(&mut self, left: usize, right: usize, score: Score) {
        if let Some(cell) = self.cells.get_mut(left * self.width + right) {
            *cell = score;
        }
    }

    /// What it is worth to pair these two and go on behind both of them.
    fn paired(&self, left: usize, right: usize, apart: i64) -> Score {
        let rest = self.at(left + 1, right + 1);
        Score { pairs: rest.pairs + 1, closeness: rest.closeness - apart }
    }
}

/// Pairs days of two rows that are at most `window` days apart: as many pairs as there can be, and among those the ones that
/// are closest. Both rows are in ascending order; pairs never cross, and of equal pairings the one that pairs the earliest
/// is taken. Costs time and memory of one row's length times the other's.
pub(super) fn pair(left: &[i64], right: &[i64], window: i64) -> Vec<(usize, usize)> {
    let width = right.len() + 1;
    let mut scores = Scores { width, cells: vec![Score::default(); (left.len() + 1) * width] };
    for (i, on_left) in left.iter().enumerate().rev() {
        for (j, on_right) in right.iter().enumerate().rev() {
            let apart = (on_left - on_right).abs();
            let skipped = scores.at(i + 1, j).max(scores.at(i, j + 1));
            let best = if apart <= window { skipped.max(scores.paired(i, j, apart)) } else { skipped };
            scores.set(i, j, best);
        }
    }
    let (mut pairs, mut i, mut j) = (Vec::new(), 0, 0);
    while let (Some(on_left), Some(on_right)) = (left.get(i), right.get(j)) {
        let (best, apart) = (scores.at(i, j), (on_left - on_right).abs());
        if apart <= window && best == scores.paired(i, j, apart) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if best == scores.at(i + 1, j) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r8_days_pair_as_often_as_they_can_and_then_as_closely() {
        type Row = (&'static str, &'static [i64], &'static [i64], &'static [(usize, usize)]);
        let table: [Row; 8] = [
            ("nothing", &[], &[1], &[]),
            ("the same day before an earlier one", &[2], &[1, 2], &[(0, 1)]),
            ("the same day before a later one", &[2], &[2, 3], &[(0, 0)]),
            ("each posted a day late", &[2, 3, 4, 5], &[1, 2, 3, 4], &[(0, 0), (1, 1), (2, 2), (3, 3)]),
            ("at the edge of the window", &[4], &[1], &[(0, 0)]),
            ("past it", &[5], &[1], &[]),
            ("twice on one day", &[1, 1], &[1], &[(0, 0)]),
            ("as close on either side: the earlier", &[2], &[1, 3], &[(0, 0)]),
        ];
        for (name, left, right, wanted) in table {
            assert_eq!(pair(left, right, 3), wanted, "{name}");
        }
    }

    /// How many pairs there can be: the earliest of either row takes the earliest that it can.
    fn most_pairs(left: &[i64], right: &[i64], window: i64) -> usize {
        let (mut i, mut j, mut pairs) = (0, 0, 0);
        while i < left.len() && j < right.len() {
            match left[i] - right[j] {
                apart if apart < -window => i += 1,
                apart if apart > window => j += 1,
                _ => (i, j, pairs) = (i + 1, j + 1, pairs + 1),
            }
        }
        pairs
    }

    proptest! {
        #[test]
        fn r8_no_pair_is_missed(
            mut left in prop::collection::vec(0_i64..40, 0..20), mut right in prop::collection::vec(0_i64..40, 0..20), window in 0_i64..6
        ) {
            left.sort_unstable();
            right.sort_unstable();
            let pairs = pair(&left, &right, window);
            prop_assert_eq!(pairs.len(), most_pairs(&left, &right, window));
            prop_assert!(pairs.iter().all(|(i, j)| (left[*i] - right[*j]).abs() <= window));
            prop_assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
        }
    }
}
