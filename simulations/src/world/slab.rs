//! A list whose places are used again.

/// Things by place.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a thing somewhere.
    pub fn put(&mut self, thing: T) -> u32 {
        let place = self.free.pop().unwrap_or(self.places.len() as u32);
        match self.places.get_mut(place as usize) {
            Some(empty) => *empty = Some(thing),
            None => self.places.push(Some(thing)),
        }
        place
    }

    /// Takes what is there.
    pub fn take(&mut self, place: u32) -> Option<T> {
        let thing = self.places.get_mut(place as usize)?.take();
        if thing.is_some() {
            self.free.push(place);
        }
        thing
    }

    /// What is there.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// What is there.
    pub fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    /// Everything.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::default();
        let (a, b) = (slab.put("a"), slab.put("b"));
        assert_eq!((slab.take(a), slab.take(a), slab.get(b)), (Some("a"), None, Some(&"b")));
        assert_eq!((slab.put("c"), slab.get_mut(a).copied()), (a, Some("c")));
        assert_eq!(slab.iter_mut().map(|it| *it).collect::<Vec<_>>(), ["c", "b"]);
    }
}
