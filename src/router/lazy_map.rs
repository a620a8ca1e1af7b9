//! A map that most sessions do not need: empty, it is a null pointer.

use std::hash::Hash;

use super::{Hasher, Map};

/// See the module.
#[derive(Debug)]
pub(super) struct LazyMap<K, V>(Option<Box<Map<K, V>>>);

impl<K, V> Default for LazyMap<K, V> {
    fn default() -> Self {
        LazyMap(None)
    }
}

impl<K: Eq + Hash, V> LazyMap<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.0.as_ref()?.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.as_mut()?.get_mut(key)
    }

    pub(super) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().flat_map(|map| map.iter())
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |map| map.len())
    }

    /// Sets the value of a key; the first one makes the map.
    pub(super) fn insert(&mut self, hasher: &Hasher, key: K, value: V) {
        self.0.get_or_insert_with(|| Box::new(Map::with_hasher(hasher.clone()))).insert(key, value);
    }

    /// Takes a key out; the last one takes the map with it.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let map = self.0.as_mut()?;
        let value = map.remove(key);
        if map.is_empty() {
            self.0 = None;
        }
        value
    }

    /// Takes everything out.
    pub(super) fn take(&mut self) -> impl ExactSizeIterator<Item = (K, V)> + use<K, V> {
        self.0.take().map_or_else(|| Map::default().into_iter(), |map| map.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_nothing_when_empty() {
        let mut map = LazyMap::default();
        assert_eq!(size_of_val(&map), size_of::<usize>());
        assert_eq!((map.remove(&1), map.take().len()), (None, 0));
        let hasher = Hasher::default();
        map.insert(&hasher, 1, "one");
        map.insert(&hasher, 2, "two");
        assert!(map.contains_key(&2) && map.get_mut(&3).is_none());
        assert_eq!(map.remove(&1), Some("one"));
        assert!(map.0.is_some());
        assert_eq!(map.remove(&2), Some("two"));
        assert!(map.0.is_none());
        map.insert(&hasher, 3, "three");
        assert_eq!(map.take().collect::<Vec<_>>(), [(3, "three")]);
        assert!(map.0.is_none());
    }
}
