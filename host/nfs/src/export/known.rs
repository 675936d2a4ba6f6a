//! The nodes of an export that are at hand.

use std::collections::HashMap;

use brio_session::NodeHandle;

use crate::handles::Told;

/// Nodes that are kept at hand, twice as many at most.
const NODES: usize = 32 << 10;

/// What was found lately. All of it is of one epoch.
#[derive(Default)]
pub(super) struct Known {
    epoch: u64,
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    nodes: HashMap<u64, (NodeHandle, Told)>,
    ids: HashMap<NodeHandle, u64>,
}

impl Known {
    pub(super) fn at(&mut self, epoch: u64) -> &mut Self {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
        self
    }

    pub(super) fn node(&mut self, id: u64) -> Option<(NodeHandle, Told)> {
        if let Some(found) = self.young.nodes.get(&id) {
            return Some(found.clone());
        }
        let (node, told) = self.old.nodes.remove(&id)?;
        self.old.ids.remove(&node);
        self.put(node.clone(), told);
        Some((node, told))
    }

    pub(super) fn told(&mut self, node: &NodeHandle) -> Option<Told> {
        let id = self.young.ids.get(node).or_else(|| self.old.ids.get(node)).copied()?;
        self.node(id).map(|(_, told)| told)
    }

    pub(super) fn put(&mut self, node: NodeHandle, told: Told) {
        if self.young.nodes.len() >= NODES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.ids.insert(node.clone(), told.id);
        self.young.nodes.insert(told.id, (node, told));
    }

    pub(super) fn forget(&mut self, id: u64) {
        for generation in [&mut self.young, &mut self.old] {
            if let Some((node, _)) = generation.nodes.remove(&id) {
                generation.ids.remove(&node);
            }
        }
    }
}
