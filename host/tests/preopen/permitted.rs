//! Where the plain form may answer otherwise. Each is written down, with its reason, in
//! `host/session/tests/PERMITTED_DIFFERENCES.md`.

use std::collections::{BTreeMap, BTreeSet};

use brio_host::ChangeKind;

use super::model::ops::Op;
use super::model::permitted::{dotted, errors};
use super::script::{Step, class};

/// Which of the two a guest ran in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    View,
    Plain,
}

/// Whether `got` is what the tree in memory answers, as far as that knows.
pub(crate) fn agrees(form: Form, step: &Step, want: &str, got: &str) -> bool {
    let want = match form {
        // 5: a name that WASI cannot say.
        Form::View => want.replace(" ?", ""),
        Form::Plain => want.to_owned(),
    };
    let equal = want.split(' ').count() == got.split(' ').count()
        && want.split(' ').zip(got.split(' ')).all(|(w, g)| w == "-" || w == g);
    equal || (form == Form::Plain && plain(step, &want, got))
}

fn plain(step: &Step, want: &str, got: &str) -> bool {
    let Step::Op(op) = step else { return false };
    match (op, class(want), class(got)) {
        // 1, 2: one error instead of another.
        (_, Some(want), Some(got)) => errors(op, &Err(want), &Err(got)),
        // 6: a slash after a name that is no directory.
        (Op::Stat { path, follow: false }, _, None) => dotted(path) && !got.starts_with("stat dir"),
        _ => false,
    }
}

/// 8: what only the plain form takes for changed; `changes` are those of the view and of the
/// plain form.
pub(crate) fn rewritten([view, plain]: &[BTreeMap<Vec<u8>, ChangeKind>; 2]) -> BTreeSet<Vec<u8>> {
    let only = plain.iter().filter(|(p, k)| **k == ChangeKind::MetaOnly && !view.contains_key(*p));
    only.map(|(path, _)| path.clone()).collect()
}
