//! Node selectors: `"host3"`, `"host3..host7"`, `"*"`, and lists of them.

use std::collections::BTreeMap;

use super::document::Value;
use super::field::Field;
use super::problem::{Problems, closest};
use crate::scenario::{Claimed, NodeIndex, NodeSpec};

/// Names of all nodes, for looking them up.
pub(super) struct Names {
    names: Vec<String>,
    index: BTreeMap<String, NodeIndex>,
    /// How many are members; those after them claim a name or an address of theirs.
    members: u32,
    /// Those that take over an address.
    strangers: Vec<NodeIndex>,
    /// Whether the node list itself could be read. If not, unknown names are not reported: they would only repeat it.
    complete: bool,
}

impl Names {
    pub(super) fn new(nodes: &[NodeSpec], complete: bool) -> Self {
        let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
        let index = (0..).zip(&names).map(|(index, name)| (name.clone(), index)).collect();
        let members = nodes.partition_point(|node| node.claim.is_none());
        let strangers = (0..)
            .zip(nodes)
            .filter(|(_, node)| node.claim.is_some_and(|claim| claim.what == Claimed::Address))
            .map(|(index, _)| index)
            .collect();
        Self {
            names,
            index,
            strangers,
            members: u32::try_from(members).unwrap_or(u32::MAX),
            complete,
        }
    }

    /// The nodes that have a name of their own.
    pub(super) fn members(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        0..self.members
    }

    pub(super) fn name(&self, node: NodeIndex) -> &str {
        let index = usize::try_from(node).unwrap_or(usize::MAX);
        self.names.get(index).map_or("", String::as_str)
    }

    /// Whether a node is called so.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// A single node by name.
    pub(super) fn node(&self, field: &Field<'_>, problems: &mut Problems<'_>) -> Option<NodeIndex> {
        let text = field.string("the name of a node", problems)?;
        let found = self.index.get(text).copied();
        if found.is_none() && self.complete {
            field.refuse(self.unknown(text), problems);
        }
        found
    }

    /// A single node that has a name of its own.
    pub(super) fn member(
        &self,
        field: &Field<'_>,
        problems: &mut Problems<'_>,
    ) -> Option<NodeIndex> {
        let node = self.node(field, problems)?;
        self.refuse_claim(node, field, problems)
    }

    /// Like [`Names::select`], but only nodes that have a name of their own.
    pub(super) fn select_members(
        &self,
        field: &Field<'_>,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<NodeIndex>> {
        let nodes = self.select(field, problems)?;
        let claims = nodes.iter().find(|node| **node >= self.members);
        match claims {
            Some(node) => self.refuse_claim(*node, field, problems).map(|_| nodes),
            None => Some(nodes),
        }
    }

    fn refuse_claim(
        &self,
        node: NodeIndex,
        field: &Field<'_>,
        problems: &mut Problems<'_>,
    ) -> Option<NodeIndex> {
        if node < self.members {
            return Some(node);
        }
        if self.strangers.contains(&node) {
            let name = self.name(node);
            field.refuse(format!("{name} is of another cluster: write another node"), problems);
            return None;
        }
        field.refuse(
            format!(
                "{} carries the name of another node, and the others know it by that name only: write that name, or \
                 another node",
                self.name(node)
            ),
            problems,
        );
        None
    }

    /// Nodes chosen by one selector or a list of them, each once, in the order they are named.
    pub(super) fn select(
        &self,
        field: &Field<'_>,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<NodeIndex>> {
        const WANTED: &str = "a list of nodes such as [\"host1\", \"host3..host7\"]";
        let fields = if let Value::String(_) = &field.item.value {
            vec![field.clone()]
        } else {
            field.list(WANTED, problems)?
        };
        let mut chosen = Vec::new();
        let mut taken = vec![false; self.names.len()];
        let mut whole = true;
        for one in &fields {
            let text = one.string("a node such as \"host1\" or \"host3..host7\"", problems);
            match text.map(|text| self.selector(text)) {
                Some(Ok(nodes)) => {
                    for node in nodes {
                        if !std::mem::replace(&mut taken[node as usize], true) {
                            chosen.push(node);
                        }
                    }
                }
                Some(Err(error)) => {
                    whole = false;
                    if self.complete {
                        // The list's own path reads better than `crash[3]`; the place is the name's.
                        problems.add(one.place(), &field.path, error);
                    }
                }
                None => whole = false,
            }
        }
        if whole && chosen.is_empty() {
            field.refuse("names no node: write at least one, or \"*\" for all", problems);
            return None;
        }
        whole.then_some(chosen)
    }

    fn selector(&self, text: &str) -> Result<Vec<NodeIndex>, String> {
        if let Some(node) = self.index.get(text) {
            return Ok(vec![*node]);
        }
        if text == "*" {
            return Ok(self.members().collect());
        }
        let Some((first, last)) = text.split_once("..") else {
            return Err(self.unknown(text));
        };
        let find = |name: &str| self.index.get(name).copied().ok_or_else(|| self.unknown(name));
        let (low, high) = (find(first)?, find(last)?);
        if let Some(odd) = [low, high].into_iter().find(|node| *node >= self.members) {
            return Err(format!(
                "\"{text}\" counts up to {}, which claims the name of another node: name it by itself",
                self.name(odd)
            ));
        }
        if low > high {
            return Err(format!("\"{text}\" runs backwards: write \"{last}..{first}\""));
        }
        Ok((low..=high).collect())
    }

    fn unknown(&self, name: &str) -> String {
        let all = match self.names.as_slice() {
            [] => "no nodes".into(),
            few if few.len() <= 4 => few.join(", "),
            [first, .., last] => format!("{first} to {last}"),
            [only] => only.clone(),
        };
        // Among host1 to host52 every number is close to another: only a misspelt word is worth a suggestion.
        let word = without_digits(name);
        let known_word = self.names.iter().any(|known| without_digits(known) == word);
        let close = closest(name, self.names.iter().map(String::as_str))
            .filter(|_| !known_word)
            .map_or_else(String::new, |close| format!("; did you mean \"{close}\"?"));
        format!("unknown node \"{name}\": the scenario has {all}{close}")
    }
}

fn without_digits(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}
