//! What primitives and jaxprs do with keys, for the setting `debug_key_reuse`. JAX: `key_reuse.KeyReuseSignature`.

use std::sync::{Arc, Mutex};

use crate::core::aval::ShapedArray;
use crate::dtype::DType;
use crate::error::{Error, Loc, Result, err};

/// What a primitive does with keys among its operands. JAX: `KeyReuseSignature`.
#[derive(Clone, Debug, Default)]
pub struct KeyUses {
    /// Operands whose keys it uses up.
    pub sinks: Vec<KeySink>,
    /// Results that are new keys.
    pub sources: Vec<usize>,
    /// Operands and the results that are the same keys.
    pub forwards: Vec<(usize, usize)>,
    /// Results that are keys which were used already.
    pub(super) spent: Vec<(usize, UsedKeys)>,
    /// Does it move data that may be no keys, rather than work on keys?
    pub moves: bool,
}

/// Keys of an operand that are used up.
#[derive(Clone, Debug)]
pub struct KeySink {
    /// The operand.
    pub operand: usize,
    /// Which of its keys.
    pub which: Which,
    /// By whom, if not by the primitive.
    pub(super) by: Option<KeyUser>,
}

/// Some keys of an array of keys, in row-major order; `None` are all of them.
pub type Which = Option<Arc<[bool]>>;

/// Who used a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyUser {
    pub name: Arc<str>,
    pub loc: Loc,
}

/// Keys of one array that were used.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsedKeys(pub Vec<(Which, KeyUser)>);

/// What an array on a device remembers of its keys; that it does says that they are keys.
pub(crate) type KeyState = Arc<Mutex<UsedKeys>>;

impl KeyUses {
    /// It uses up the keys of operand 0.
    pub(crate) fn sink() -> Self {
        KeyUses { sinks: vec![KeySink { operand: 0, which: None, by: None }], ..Self::default() }
    }

    /// It gives new keys.
    pub(crate) fn source() -> Self {
        KeyUses { sources: vec![0], ..Self::default() }
    }

    /// It gives new keys, and uses up those of operand 0.
    pub(crate) fn split() -> Self {
        KeyUses { sources: vec![0], ..Self::sink() }
    }

    /// Result 0 is operand 0, if that is keys.
    pub(crate) fn forward() -> Self {
        Self::forwards(1)
    }

    /// Each result is the operand of its number, if that is keys.
    pub(crate) fn forwards(n: usize) -> Self {
        KeyUses { forwards: (0..n).map(|i| (i, i)).collect(), moves: true, ..Self::default() }
    }

    /// The operands, if they are keys, are used up, and the results new keys of them.
    pub(crate) fn remade(operands: usize, results: usize) -> Self {
        let sinks = (0..operands).map(|operand| KeySink { operand, which: None, by: None });
        KeyUses { sinks: sinks.collect(), sources: (0..results).collect(), moves: true, ..Self::default() }
    }

    /// Operand 0, if it is keys, is used up as far as `is_taken` says of each key, and the result is new keys.
    pub(crate) fn taken(is_taken: Vec<bool>) -> Self {
        let which = if is_taken.contains(&false) { Some(is_taken.into()) } else { None };
        let sinks = vec![KeySink { operand: 0, which, by: None }];
        KeyUses { sinks, sources: vec![0], moves: true, ..Self::default() }
    }

    /// Operand `update` is put into operand 0, which is result 0.
    pub(crate) fn updated(update: usize) -> Self {
        let sinks = vec![KeySink { operand: update, which: None, by: None }];
        KeyUses { sinks, forwards: vec![(0, 0)], moves: true, ..Self::default() }
    }

    /// The same, where what is inside counts as done by whoever calls it.
    pub(crate) fn of_caller(mut self) -> Self {
        self.sinks.iter_mut().for_each(|sink| sink.by = None);
        self
    }

    /// The same of operands and results that stand `by` places later.
    pub(crate) fn shifted(mut self, by: usize) -> Self {
        self.sinks.iter_mut().for_each(|sink| sink.operand += by);
        self.forwards.iter_mut().for_each(|(operand, _)| *operand += by);
        self
    }

    /// Of a choice: what any of these does to operands, and what all of them say of results.
    pub(crate) fn any_of(all: &[KeyUses]) -> KeyUses {
        let Some((first, others)) = all.split_first() else { return KeyUses::default() };
        let mut sinks: Vec<KeySink> = Vec::new();
        for sink in all.iter().flat_map(|uses| &uses.sinks) {
            match sinks.iter_mut().find(|known| known.operand == sink.operand) {
                Some(known) => known.which = either(&known.which, &sink.which),
                None => sinks.push(sink.clone()),
            }
        }
        let sources = first.sources.iter().filter(|i| others.iter().all(|uses| uses.sources.contains(i)));
        let forwards = first.forwards.iter().filter(|f| others.iter().all(|uses| uses.forwards.contains(f)));
        KeyUses {
            sinks,
            sources: sources.copied().collect(),
            forwards: forwards.copied().collect(),
            spent: all.iter().flat_map(|uses| uses.spent.iter().cloned()).collect(),
            moves: false,
        }
    }

    /// Of a loop that goes on while a condition holds, of which these are what the condition and the body do; each takes so many
    /// constants first, and then the carries.
    ///
    /// # Errors
    /// A key that is used each time.
    pub(crate) fn while_loop(
        (cond, cond_consts): (Self, usize),
        (body, body_consts): (Self, usize),
    ) -> Result<Self> {
        let cond_of = KeyUses { forwards: body.forwards.clone(), spent: body.spent.clone(), ..cond };
        let cond = cond_of.looped("the condition of while_loop", cond_consts, usize::MAX, 1)?;
        let mut uses = body.looped("the body of while_loop", body_consts, usize::MAX, 1)?;
        for sink in cond.sinks {
            let operand = sink.operand - cond_consts + body_consts;
            if uses.sinks.iter().any(|other| other.operand == operand) {
                return Err(sink.again_in("while_loop", "uses in its condition and its body"));
            }
            uses.sinks.push(KeySink { operand, ..sink });
        }
        Ok(uses.shifted(cond_consts))
    }

    /// Of a loop whose body this is: its operands are constants, carries, and what differs in each of `turns`; its results are
    /// carries and others. `what` names it.
    ///
    /// # Errors
    /// A key that each turn uses again.
    pub(crate) fn looped(self, what: &str, consts: usize, carries: usize, turns: usize) -> Result<Self> {
        for sink in &self.sinks {
            let Some(carry) = sink.operand.checked_sub(consts) else {
                return Err(sink.again_in(what, "captures"));
            };
            let stays = self.forwards.iter().any(|(_, out)| *out == carry)
                || self.spent.iter().any(|(out, _)| *out == carry);
            if carry < carries && stays {
                return Err(sink.again_in(what, "carries on"));
            }
        }
        let mut uses = self;
        for sink in uses.sinks.iter_mut().filter(|sink| sink.operand >= consts.saturating_add(carries)) {
            sink.which = sink.which.as_ref().map(|which| which.repeat(turns).into());
        }
        Ok(uses)
    }
}

impl KeySink {
    /// The error of a loop.
    #[cold]
    fn again_in(&self, what: &str, how: &str) -> Error {
        let by = self.by.as_ref().map_or("it", |by| &by.name);
        let error = err!(
            KeyReuse,
            "{what} uses a key again each time that it runs: {by} takes a key that {what} {how}. Split the key before the loop \
             and scan over the keys, or carry on a key that is split in each turn"
        );
        match &self.by {
            Some(by) => error.at(by.loc),
            None => error,
        }
    }
}

/// What either of the two has.
fn either(a: &Which, b: &Which) -> Which {
    match (a, b) {
        (Some(a), Some(b)) if a.len() == b.len() => Some(a.iter().zip(&**b).map(|(a, b)| *a || *b).collect()),
        _ => None,
    }
}

/// Have they a key in common? Arrays of another number of keys, which stand for the same ones, are taken as a whole.
fn overlap(a: &Which, b: &Which) -> bool {
    let any = |which: &Which| which.as_ref().is_none_or(|which| which.contains(&true));
    match (a, b) {
        (Some(a), Some(b)) if a.len() == b.len() => a.iter().zip(&**b).any(|(a, b)| *a && *b),
        _ => any(a) && any(b),
    }
}

impl UsedKeys {
    /// Who used one of these.
    pub(crate) fn user_of(&self, which: &Which) -> Option<&KeyUser> {
        self.0.iter().find(|(used, _)| overlap(used, which)).map(|(_, by)| by)
    }

    /// Which were used, if any was.
    pub(crate) fn which(&self) -> Option<Which> {
        self.0.iter().map(|(which, _)| which.clone()).reduce(|a, b| either(&a, &b))
    }
}

/// The error of a key that was used already.
#[cold]
pub(super) fn reused(by: &KeyUser, operand: usize, first: &KeyUser) -> Error {
    let KeyUser { name, loc } = by;
    let at = first.loc;
    err!(
        KeyReuse,
        "{name}: the key that is argument {operand} was used already, by {} at {}:{}:{}. Split it and use each of the new keys once; \
         random::clone gives the same draws again",
        first.name,
        at.file(),
        at.line(),
        at.column()
    )
    .at(loc)
}

/// How many keys an array of this type is, if it can be one.
pub(super) fn keys_in(aval: &ShapedArray) -> Option<usize> {
    match aval.shape() {
        [shape @ .., 2 | 4] if aval.dtype() == DType::U32 => Some(shape.iter().product()),
        _ => None,
    }
}

/// Which keys a window of an array of this type holds, from, to and by as much as these say; `None` if it cuts keys.
pub(crate) fn in_window(
    aval: &ShapedArray,
    [starts, limits]: [&[usize]; 2],
    strides: Option<&[usize]>,
) -> Option<Vec<bool>> {
    let keys = keys_in(aval)?;
    let (last, shape) = aval.shape().split_last()?;
    let stride = |axis: usize| strides.map_or(1, |strides| strides[axis]);
    if starts[shape.len()] != 0 || limits[shape.len()] != *last || stride(shape.len()) != 1 {
        return None;
    }
    let is_taken = |mut key: usize| {
        (0..shape.len()).rev().all(|axis| {
            let i = key % shape[axis];
            key /= shape[axis];
            (starts[axis]..limits[axis]).contains(&i) && (i - starts[axis]).is_multiple_of(stride(axis))
        })
    };
    Some((0..keys).map(is_taken).collect())
}
