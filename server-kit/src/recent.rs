//! Values that were seen last, so many of them and no more.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map of `MOST` values, which forgets those that came first when there are more.
#[derive(Debug)]
pub struct Recent<K, V, const MOST: usize> {
    known: HashMap<K, V>,
    /// In the order in which they came; some may have been taken out of `known` since.
    order: VecDeque<K>,
}

impl<K, V, const MOST: usize> Default for Recent<K, V, MOST> {
    fn default() -> Self {
        Self { known: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, V, const MOST: usize> Recent<K, V, MOST> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.known.get(key)
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn put(&mut self, key: K, value: V) {
        if self.known.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MOST {
            let first = self.order.pop_front();
            first.map(|key| self.known.remove(&key));
        }
    }

    pub fn remove(&mut self, key: &K) {
        self.known.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_forgotten_when_there_are_too_many() {
        let mut recent = Recent::<_, _, 2>::default();
        for n in 1..=3 {
            recent.put(n, n * 10);
        }
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (None, Some(&20), Some(&30)));
        recent.put(3, 31);
        recent.remove(&2);
        assert_eq!((recent.get(&2), recent.get(&3)), (None, Some(&31)));
        for n in 0..1000 {
            recent.put(n, 0);
            recent.remove(&n);
        }
        assert!(recent.order.len() <= 2 && recent.known.is_empty());
    }
}
