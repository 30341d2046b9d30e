use std::collections::BTreeMap;

use crate::random::SplitMix64;

const PAGE: usize = 4096;
/// The number of the only folder; files come behind it.
pub const ROOT: u64 = 1;

/// Files as everybody sees them, and what it takes to forget.
#[derive(Debug, Default)]
pub struct Contents {
    files: BTreeMap<u64, Bytes>,
    names: BTreeMap<String, u64>,
    /// As they were at the last sync.
    synced_names: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    synced_size: usize,
    /// What pages that changed since the last sync had then; shorter than a page, or empty, at the end.
    before: BTreeMap<usize, Vec<u8>>,
}

impl Contents {
    pub fn find(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, number)| (name.as_str(), *number))
    }

    pub fn size(&self, number: u64) -> Option<usize> {
        self.files.get(&number).map(|file| file.now.len())
    }

    /// An empty file, whether or not there was one of this name.
    pub fn create(&mut self, name: &str) -> u64 {
        let number = self.files.keys().last().map_or(ROOT, |last| *last) + 1;
        self.files.insert(number, Bytes::default());
        self.names.insert(name.to_owned(), number);
        number
    }

    /// Who has it open goes on with it; a power cut may bring the name back.
    pub fn remove(&mut self, name: &str) -> bool {
        self.names.remove(name).is_some()
    }

    pub fn read(&self, number: u64, offset: usize, size: usize) -> Option<&[u8]> {
        let now = &self.files.get(&number)?.now;
        let from = offset.min(now.len());
        Some(&now[from..offset.saturating_add(size).min(now.len())])
    }

    pub fn write(&mut self, number: u64, offset: usize, data: &[u8]) -> Option<()> {
        let file = self.files.get_mut(&number)?;
        let end = offset.checked_add(data.len())?;
        file.keep(offset.min(file.now.len()), end);
        if file.now.len() < end {
            file.now.resize(end, 0);
        }
        file.now[offset..end].copy_from_slice(data);
        Some(())
    }

    pub fn resize(&mut self, number: u64, size: usize) -> Option<()> {
        let file = self.files.get_mut(&number)?;
        let (from, until) = (size.min(file.now.len()), size.max(file.now.len()));
        file.keep(from, until);
        file.now.resize(size, 0);
        Some(())
    }

    /// The file and its name are safe, as on the usual journaling file systems.
    pub fn sync(&mut self, number: u64) -> Option<()> {
        let file = self.files.get_mut(&number)?;
        file.before.clear();
        file.synced_size = file.now.len();
        self.synced_names
            .extend(self.names.iter().filter(|(_, n)| **n == number).map(|(k, n)| (k.clone(), *n)));
        Some(())
    }

    pub fn sync_names(&mut self) {
        self.synced_names.clone_from(&self.names);
    }

    /// The power is cut. Every second time all that was not synced is gone, else a part of it.
    pub fn forget(&mut self, random: &mut SplitMix64) {
        let forgets_all = random.below(2) == 0;
        let mut forgets = || forgets_all || random.below(2) == 0;
        self.names.clone_from(&self.synced_names);
        self.files.retain(|number, _| self.names.values().any(|named| named == number));
        for file in self.files.values_mut() {
            file.forget(&mut forgets);
        }
    }
}

impl Bytes {
    /// Remembers the pages that a change from `offset` to `end` touches, unless it does already.
    fn keep(&mut self, offset: usize, end: usize) {
        for page in offset / PAGE..end.div_ceil(PAGE) {
            let from = (page * PAGE).min(self.now.len());
            let until = (from + PAGE).min(self.now.len()).min(self.synced_size.max(from));
            self.before.entry(page).or_insert_with(|| self.now[from..until].to_vec());
        }
    }

    fn forget(&mut self, forgets: &mut impl FnMut() -> bool) {
        let size = if forgets() { self.synced_size } else { self.now.len() };
        self.now.resize(self.now.len().max(self.synced_size), 0);
        for (page, before) in std::mem::take(&mut self.before) {
            if !forgets() {
                continue;
            }
            let from = page * PAGE;
            let until = (from + PAGE).min(self.now.len());
            if let Some(now) = self.now.get_mut(from..until) {
                now.fill(0);
                now[..before.len()].copy_from_slice(&before);
            }
        }
        self.now.truncate(size);
        self.synced_size = size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that always draws "all is gone" first.
    fn forgetting_all() -> SplitMix64 {
        let seeds = (0..).map(SplitMix64::seeded);
        seeds.into_iter().find(|random| random.clone().below(2) == 0).unwrap()
    }

    fn all(contents: &Contents, name: &str) -> Option<Vec<u8>> {
        contents.find(name).and_then(|number| contents.read(number, 0, usize::MAX)).map(<[u8]>::to_vec)
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_is_as_it_was_before() {
        let mut contents = Contents::default();
        let file = contents.create("a");
        let old: Vec<u8> = (0..10_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        contents.write(file, 0, &old).unwrap();
        contents.sync(file).unwrap();
        contents.write(file, 4_000, &[255; 200]).unwrap();
        contents.write(file, 9_999, &[255; 9_000]).unwrap();
        contents.write(file, 4_100, &[254; 10]).unwrap();
        contents.forget(&mut forgetting_all());
        assert_eq!(all(&contents, "a").unwrap(), old);
        contents.resize(file, 100).unwrap();
        contents.resize(file, 6_000).unwrap();
        assert_eq!(all(&contents, "a").unwrap(), [&old[..100], &[0; 5_900]].concat());
        contents.forget(&mut forgetting_all());
        assert_eq!(all(&contents, "a").unwrap(), old);
    }

    #[test]
    fn a_name_is_safe_with_its_file_or_with_the_folder() {
        let mut contents = Contents::default();
        let (synced, _) = (contents.create("synced"), contents.create("unsynced"));
        contents.sync(synced).unwrap();
        contents.forget(&mut forgetting_all());
        assert_eq!(contents.names().map(|(name, _)| name).collect::<Vec<_>>(), ["synced"]);
        assert!(contents.remove("synced"));
        contents.forget(&mut forgetting_all());
        assert!(contents.find("synced").is_some(), "nobody synced the removal");
        contents.remove("synced");
        contents.sync_names();
        contents.forget(&mut forgetting_all());
        assert_eq!(contents.names().count(), 0);
    }

    /// Whatever chance keeps of it, a page is either as it was synced or as it was written last.
    #[test]
    fn a_page_is_old_or_new() {
        let (mut kept_some, mut random) = (false, SplitMix64::seeded(1));
        for _ in 0..100 {
            let mut contents = Contents::default();
            let file = contents.create("a");
            contents.write(file, 0, &[1; 5 * PAGE]).unwrap();
            contents.sync(file).unwrap();
            contents.write(file, 0, &[2; 5 * PAGE]).unwrap();
            contents.forget(&mut random);
            let pages = all(&contents, "a").unwrap();
            assert_eq!(pages.len(), 5 * PAGE);
            for page in pages.chunks(PAGE) {
                assert!(page.iter().all(|byte| *byte == page[0]) && [1, 2].contains(&page[0]));
            }
            kept_some |= pages.contains(&1) && pages.contains(&2);
        }
        assert!(kept_some);
    }
}
