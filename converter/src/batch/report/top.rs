//! The first few of very many.

use std::cmp::Ordering;

/// Keeps the first `limit` of what it is offered, by an order.
#[derive(Debug)]
pub struct Top<T> {
    limit: usize,
    order: fn(&T, &T) -> Ordering,
    items: Vec<T>,
}

impl<T> Top<T> {
    /// None yet. `order` tells which of two comes first.
    pub fn new(limit: usize, order: fn(&T, &T) -> Ordering) -> Self {
        Self { limit, order, items: Vec::new() }
    }

    /// Keeps an item if it is among the first.
    pub fn offer(&mut self, item: T) {
        let place = self.items.partition_point(|kept| (self.order)(kept, &item).is_le());
        if place < self.limit {
            self.items.truncate(self.limit - 1);
            self.items.insert(place, item);
        }
    }

    /// The first, in order.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::Top;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_sort_that_is_cut(items in prop::collection::vec(0u8..20, 0..60), limit in 0usize..10) {
            let mut top = Top::new(limit, Ord::cmp);
            for item in &items {
                top.offer(*item);
            }
            let mut wanted = items;
            wanted.sort_unstable();
            wanted.truncate(limit);
            prop_assert_eq!(top.into_items(), wanted);
        }
    }
}
