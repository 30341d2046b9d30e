use std::cell::RefCell;

use toml::{Table, Value};

use crate::FieldError;

/// A table of the document while it is read. Fields are taken out one by one;
/// what is left at [`Section::finish`] is unknown and reported.
pub(super) struct Section<'e> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    errors: &'e RefCell<Vec<FieldError>>,
}

impl<'e> Section<'e> {
    pub fn root(table: Table, errors: &'e RefCell<Vec<FieldError>>) -> Section<'e> {
        Section { path: String::new(), table, known: Vec::new(), errors }
    }

    /// A field that must be there. `None`: it was not, or was wrong, and that is reported.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.known.push(key);
            self.complain(key, "is missing; add it");
            return None;
        }
        self.optional(key, read)
    }

    /// A field that may be left out. `None`: it was, or was wrong, and then that is reported.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        read(&value).map_err(|message| self.complain(key, &message)).ok()
    }

    /// As [`Section::optional`], but what was left out is the default and only what was wrong is `None`.
    pub fn or_default<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let is_left_out = !self.has(key);
        self.optional(key, read).or_else(|| is_left_out.then(T::default))
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A table that must be there.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'e>> {
        match self.take(key) {
            Some(Value::Table(table)) => Some(self.child(self.path_of(key), table)),
            Some(_) => self.refuse(key, "must be a table"),
            None => self.refuse(key, "is missing; add the table"),
        }
    }

    /// A table of tables by name, such as `[packs.pack_100]`; empty when it is not there.
    pub fn named(&mut self, key: &'static str) -> Vec<(String, Section<'e>)> {
        self.entries(key).into_iter().filter_map(|(name, value)| self.named_child(key, name, value)).collect()
    }

    /// A table of values by name; empty when it is not there.
    pub fn entries(&mut self, key: &'static str) -> Table {
        match self.take(key) {
            Some(Value::Table(table)) => table,
            Some(_) => self.refuse(key, "must be a table").unwrap_or_default(),
            None => Table::new(),
        }
    }

    /// An array of tables, such as `[[windows]]`; empty when it is not there.
    pub fn list(&mut self, key: &'static str) -> Vec<Section<'e>> {
        let items = match self.take(key) {
            Some(Value::Array(items)) => items,
            Some(_) => self.refuse(key, "must be an array of tables").unwrap_or_default(),
            None => Vec::new(),
        };
        let path = |i: usize| format!("{}[{i}]", self.path_of(key));
        let child = |(i, item): (usize, Value)| match item {
            Value::Table(table) => Some(self.child(path(i), table)),
            _ => self.refuse(&format!("{key}[{i}]"), "must be a table"),
        };
        items.into_iter().enumerate().filter_map(child).collect()
    }

    /// Reports a problem of one field of this section.
    pub fn complain(&self, key: &str, message: &str) {
        let field = self.path_of(key);
        self.errors.borrow_mut().push(FieldError { field, message: message.to_owned() });
    }

    /// Reports a problem of this section as a whole.
    pub fn complain_here(&self, message: &str) {
        self.errors.borrow_mut().push(FieldError { field: self.path.clone(), message: message.to_owned() });
    }

    /// Reports the fields that nobody took.
    pub fn finish(self) {
        let known = self.known.join(", ");
        for key in self.table.keys() {
            self.complain(key, &format!("is not a known field; known here are {known}"));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn named_child(&self, key: &str, name: String, value: Value) -> Option<(String, Section<'e>)> {
        let path = format!("{key}.{name}");
        match value {
            Value::Table(table) => Some((name, self.child(self.path_of(&path), table))),
            _ => self.refuse(&path, "must be a table"),
        }
    }

    fn child(&self, path: String, table: Table) -> Section<'e> {
        Section { path, table, known: Vec::new(), errors: self.errors }
    }

    fn refuse<T>(&self, key: &str, message: &str) -> Option<T> {
        self.complain(key, message);
        None
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
