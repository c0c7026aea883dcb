//! Where arrays are: on which device, and whether they have to stay there. JAX: `jax.Array.committed`,
//! `pxla._get_and_check_device_assignment`.
//!
//! An array is *committed* once `device_put` has named its device, and so is whatever is computed from it. A computation
//! runs where its committed arguments are, which must agree; without any it runs on the default device. Arguments that
//! are not committed are copied there without asking.

use std::panic::Location;

use smallvec::SmallVec;

use crate::core::array::{Array, Placement, Repr, concretization};
use crate::core::aval::ShapedArray;
use crate::core::config::{self, Config};
use crate::core::intern::{Interned, Interner};
use crate::core::mutable::not_an_array;
use crate::core::sharding::{Mesh, Sharding, Shards};
use crate::core::tracer::{is_live, unexpected_tracer};
use crate::core::transfer::{self, Transfer};
use crate::error::{Error, OrThrow, Result, bail, err};
use crate::pjrt::{Buffer, Device, Executable};

/// Where a program runs, and where it takes its arguments from: part of what it is found by. JAX: `in_shardings` and the device
/// assignment that they agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InShardings {
    /// The whole array on each device of the program: where arguments are copied to that are not committed, and the results are
    /// that say nothing of their place.
    pub whole: Sharding,
    /// Was an argument committed? Then the results are.
    pub committed: bool,
    /// Of each argument, if one is in another place than `whole`.
    each: Option<Interned<Vec<Sharding>>>,
    /// Does the program itself name devices, so that it runs there whatever its arguments are?
    pub fixed: bool,
    /// Which arguments the program takes in a place of its own choice, to which those go that are not committed.
    given: Option<Interned<Vec<bool>>>,
}

impl InShardings {
    /// Where argument `i` is to be.
    #[inline]
    pub(crate) fn of(self, i: usize) -> Sharding {
        match self.each {
            None => self.whole,
            Some(each) => each.get()[i],
        }
    }

    /// Is argument `i` to be where those are that are not committed?
    #[inline]
    pub(crate) fn is_whole(self, i: usize) -> bool {
        self.each.is_none_or(|each| each.get()[i] == self.whole)
    }

    /// Is argument `i` taken in a place of the program's choice?
    #[inline]
    pub(crate) fn is_given(self, i: usize) -> bool {
        self.given.is_some_and(|given| given.get().get(i) == Some(&true))
    }

    /// Where a result is to be, which `asked` or else its type says; `None`: where XLA has it.
    pub(crate) fn of_result(self, aval: &ShapedArray, asked: Option<Sharding>) -> Result<Option<Sharding>> {
        let said = asked.or(aval.sharding()).filter(|sharding| sharding.meets(self.whole));
        if self.is_single() {
            return Ok(Some(said.unwrap_or(self.whole)));
        }
        // XLA would leave whole what it cannot cut.
        said.map_or(Ok(()), |sharding| sharding.check(aval.shape()))?;
        Ok(said)
    }

    /// Where the results of a program are: where that was said, else where XLA has them.
    pub(crate) fn of_results(
        self,
        executable: &Executable,
        tokens: usize,
        said: &[Option<Sharding>],
        avals: &[ShapedArray],
    ) -> Result<Vec<Sharding>> {
        if let Some(all) = said.iter().copied().collect::<Option<Vec<Sharding>>>() {
            return Ok(all);
        }
        let (tiles, dims) = (executable.output_tiles()?, executable.output_dims()?);
        let meshes: SmallVec<[Mesh; 2]> = [self.whole]
            .iter()
            .chain(self.each.iter().flat_map(|each| each.get()))
            .filter_map(|sharding| sharding.mesh())
            .collect();
        let place = |(i, aval): (usize, &ShapedArray)| {
            if let Some(said) = said[i] {
                return Ok(said);
            }
            let found = match tiles.get(tokens + i) {
                Some(tiles) => Sharding::of_tiles(&meshes, tiles),
                None => Some(self.whole),
            };
            let fits = |sharding: &Sharding| {
                let part = sharding.shard_shape(aval.shape());
                part.is_ok_and(|part| dims.get(tokens + i) == Some(&part))
            };
            match found.filter(fits) {
                Some(sharding) => Ok(sharding),
                None => bail!(
                    Internal,
                    "XLA has cut result {i}, {aval}, into {:?} on {}, which no axes of the mesh say",
                    tiles.get(tokens + i),
                    self.whole
                ),
            }
        };
        avals.iter().enumerate().map(place).collect()
    }

    /// Is there one device?
    #[inline]
    pub(crate) fn is_single(self) -> bool {
        self.whole.devices().len() == 1
    }

    fn of_committed(first: Sharding, committed: impl Iterator<Item = Option<Sharding>>) -> Self {
        static LISTS: Interner<Vec<Sharding>> = Interner::new();
        let whole = first.whole();
        let each: Vec<Sharding> = committed.map(|sharding| sharding.unwrap_or(whole)).collect();
        let each = each.iter().any(|sharding| *sharding != whole).then(|| LISTS.intern(&each));
        InShardings { each, ..InShardings::all(whole, true) }
    }

    /// Every argument whole on each device.
    fn all(whole: Sharding, committed: bool) -> Self {
        InShardings { whole, committed, each: None, fixed: false, given: None }
    }

    /// The same for a program that says of its arguments where it takes them, and names devices in whatever it has. `error` makes the
    /// error if those are others.
    pub(crate) fn asked(
        self,
        given: &[Option<Sharding>],
        named: Option<Sharding>,
        error: impl FnOnce() -> Error,
    ) -> Result<Self> {
        static LISTS: Interner<Vec<bool>> = Interner::new();
        let given = given.iter().map(Option::is_some).collect::<Vec<bool>>();
        let given = given.contains(&true).then(|| LISTS.intern(&given));
        let asked = InShardings { given, fixed: given.is_some() || named.is_some(), ..self };
        match named {
            Some(named) if !self.committed => {
                let all = InShardings::all(named.whole(), true);
                Ok(InShardings { given, fixed: true, ..all })
            }
            Some(named) if !named.meets(self.whole) => Err(error()),
            _ => Ok(asked),
        }
    }
}

/// Where a computation runs of arguments that are committed to these places, or not. `conflict` makes the error for the positions
/// of two that do not meet. `config` decides where it runs if none is committed.
#[inline]
pub(crate) fn common(
    config: Config,
    committed: impl Iterator<Item = Option<Sharding>> + Clone,
    conflict: impl FnOnce(usize, usize) -> Error,
) -> Result<InShardings> {
    let mut found: Option<(usize, Sharding)> = None;
    let mut differ = false;
    for (i, sharding) in committed.clone().enumerate() {
        match (found, sharding) {
            (_, None) => {}
            (None, Some(sharding)) => found = Some((i, sharding)),
            (Some((_, first)), Some(sharding)) if first == sharding => {}
            (Some((_, first)), Some(sharding)) if first.meets(sharding) => differ = true,
            (Some((first, _)), Some(_)) => return Err(conflict(first, i)),
        }
    }
    match found {
        Some((_, whole)) if !differ && whole.mesh().is_none() => Ok(InShardings::all(whole, true)),
        Some((_, first)) => Ok(InShardings::of_committed(first, committed)),
        None => Ok(InShardings::all(config::default_sharding(config)?, false)),
    }
}

/// The error for two arguments that are committed to different devices, each with what to call it.
#[cold]
pub(crate) fn incompatible(op: &str, a: (String, &Array), b: (String, &Array)) -> Error {
    let place = |x: &Array| match &x.0 {
        Repr::Device(x) => names(x.sharding),
        _ => "no device".into(),
    };
    let (on_a, on_b) = (place(a.1), place(b.1));
    let other = if on_a == on_b { " of another client" } else { "" };
    err!(
        InvalidArgument,
        "{op}: received incompatible devices: {} ({}) is on {on_a} and {} ({}) is on {on_b}{other}. Arrays that were \
         put on different devices do not meet in one computation: move one of them with device_put",
        a.0,
        a.1.aval(),
        b.0,
        b.1.aval()
    )
}

/// Where an array is, if it is on a device.
pub(crate) fn sharding_of(x: &Array) -> Option<Sharding> {
    match &x.0 {
        Repr::Device(x) => Some(x.sharding),
        _ => None,
    }
}

/// `cpu:0`, or several.
pub(crate) fn names(sharding: Sharding) -> String {
    let names: Vec<String> = sharding.devices().iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// A copy of an array that is elsewhere.
pub(crate) fn copy_to(shards: &Shards, x: &Array, to: Sharding, how: Transfer) -> Result<Shards> {
    transfer::between_devices(how, || x.aval())?;
    let from = sharding_of(x).filter(|from| from.client() == to.client());
    if let Some(from) = from
        && let Some(copies) = copy_parts(shards, from, x.shape(), to)?
    {
        return Ok(copies);
    }
    // Clients share no memory that both know of, and parts of another shape are put together first: by way of the host.
    to.put(&x.read(Transfer::Own)?, x.dtype(), x.shape())
}

/// Copies of the parts, if each part that is wanted is one that there is.
fn copy_parts(shards: &Shards, from: Sharding, shape: &[usize], to: Sharding) -> Result<Option<Shards>> {
    if shards.len() != from.devices().len() || from.shard_shape(shape)? != to.shard_shape(shape)? {
        return Ok(None);
    }
    let known = (0..shards.len()).map(|i| from.part(i, shape)).collect::<Result<Vec<_>>>()?;
    let mut copies = Shards::new();
    for (i, device) in to.devices().iter().enumerate() {
        let part = to.part(i, shape)?;
        let has = |j: &usize| known[*j] == part;
        let here = |j: &usize| has(j) && from.devices()[*j] == *device;
        let Some(source) = (0..shards.len()).find(here).or_else(|| (0..shards.len()).find(has)) else {
            return Ok(None);
        };
        copies.push(shards[source].copy_to_device(device)?);
    }
    Ok(Some(copies))
}

impl Array {
    /// Where the array has to stay.
    #[inline]
    pub(crate) fn committed_to(&self) -> Option<Sharding> {
        match &self.0 {
            Repr::Device(x) if x.committed => Some(x.sharding),
            _ => None,
        }
    }

    /// The array in this place, committed to it. Shares the buffers if it is there.
    pub(crate) fn put(&self, sharding: Sharding) -> Result<Array> {
        if !sharding.is_fully_addressable() {
            bail!(InvalidArgument, "device_put: {} belongs to another process", names(sharding));
        }
        let placement = Placement { sharding, committed: true };
        match &self.0 {
            Repr::Device(x) if x.sharding == sharding => {
                self.check_alive()?;
                let mut x = x.clone();
                x.committed = true;
                Ok(Array(Repr::Device(x)))
            }
            Repr::Device(x) => {
                self.check_alive()?;
                Ok(Array::on_device(
                    copy_to(&x.shards, self, sharding, Transfer::Explicit)?,
                    x.aval,
                    placement,
                ))
            }
            Repr::Scalar(x) => {
                let aval = x.aval();
                transfer::to_device(Transfer::Explicit, || aval)?;
                let shards = sharding.put(&x.bytes()[..x.dtype().size()], x.dtype(), &[])?;
                Ok(Array::on_device(shards, aval, placement))
            }
            Repr::Zero(aval) => {
                let shards = sharding.put(&self.to_bytes()?, aval.dtype(), aval.shape())?;
                Ok(Array::on_device(shards, *aval, placement))
            }
            Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
            Repr::Tracer(t) => Err(concretization(t)),
        }
    }

    pub(super) fn check_alive(&self) -> Result<()> {
        if self.is_deleted() {
            bail!(DeletedBuffer, "the array has been deleted or donated: {}", self.aval());
        }
        Ok(())
    }

    /// Where the parts of the array are. A Rust number that no device has seen yet is on the default device.
    ///
    /// # Errors
    /// A tracer is nowhere; a deleted array.
    #[track_caller]
    pub fn sharding(&self) -> Result<Sharding> {
        let caller = Location::caller();
        let sharding = match &self.0 {
            Repr::Device(x) => self.check_alive().map(|()| x.sharding),
            Repr::Scalar(_) | Repr::Zero(_) => config::default_sharding(config::current()),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
            Repr::Tracer(t) => Err(concretization(t)),
        };
        sharding.map_err(|e| e.at(caller))
    }

    /// The device that the array is on, the first if there are several.
    ///
    /// ```
    /// use raxla::Array;
    ///
    /// assert_eq!(Array::from([1.0f32, 2.0]).device()?, raxla::devices()?[0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`sharding`](Self::sharding).
    #[track_caller]
    pub fn device(&self) -> Result<Device> {
        Ok(self.sharding()?.device().clone())
    }

    /// The devices that hold the array or a part of it.
    ///
    /// # Errors
    /// As [`sharding`](Self::sharding).
    #[track_caller]
    pub fn devices(&self) -> Result<Vec<Device>> {
        Ok(self.sharding()?.devices().to_vec())
    }

    /// Must the array stay where it is? True of what [`device_put`](crate::device_put) returns, and of what is computed
    /// from that. Any other array is copied to the device on which the arguments beside it are.
    ///
    /// # Errors
    /// Asking a tracer.
    #[track_caller]
    pub fn committed(&self) -> Result<bool> {
        match &self.0 {
            Repr::Device(x) => Ok(x.committed),
            Repr::Scalar(_) | Repr::Zero(_) => Ok(false),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval).at(Location::caller())),
            Repr::Tracer(t) => Err(concretization(t).at(Location::caller())),
        }
    }

    /// Is the value there, so that reading it would not wait? True as well if the computation failed.
    ///
    /// # Errors
    /// Asking a tracer; a deleted array.
    #[track_caller]
    pub fn is_ready(&self) -> Result<bool> {
        let caller = Location::caller();
        let ready = match &self.0 {
            Repr::Device(x) => self.check_alive().and_then(|()| x.is_ready()),
            Repr::Scalar(_) | Repr::Zero(_) => Ok(true),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
            Repr::Tracer(t) => Err(concretization(t)),
        };
        ready.map_err(|e| e.at(caller))
    }

    /// Starts the transfer to the host and returns at once: what reads the array later, or one of its clones, waits for the rest of it.
    ///
    /// The array keeps its elements on the host, so that they are copied from the device once.
    ///
    /// ```
    /// use raxla::{Array, numpy as jnp};
    ///
    /// let losses = [jnp::sum([1.0f32, 2.0], ..), jnp::sum([3.0f32, 4.0], ..)];
    /// for loss in &losses {
    ///     loss.copy_to_host_async()?;
    /// }
    /// // Whatever else there is to do is done meanwhile.
    /// assert_eq!(losses[1].item::<f32>()?, 7.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// `the method copy_to_host_async is not available on JitTracer(float32[2])`; a deleted array; a guard that forbids the transfer.
    #[track_caller]
    pub fn copy_to_host_async(&self) -> Result<&Self> {
        let caller = Location::caller();
        let started = match &self.0 {
            Repr::Device(x) => self.check_alive().and_then(|()| x.copy_to_host()),
            Repr::Scalar(_) | Repr::Zero(_) => Ok(()),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
            Repr::Tracer(t) if !is_live(t.trace()) => Err(unexpected_tracer(t)),
            Repr::Tracer(_) => Err(err!(
                Concretization,
                "the method copy_to_host_async is not available on {self}, which has no value yet: call it on what the traced \
                 function returns"
            )),
        };
        started.map(|()| self).map_err(|e| e.at(caller))
    }

    /// Gives up the device memory now, for every clone of the array: using one is an error from here on. Computations
    /// that were called before still complete. A Rust number that no device has seen yet stays as it is.
    ///
    /// ```
    /// use raxla::{Array, ErrorKind};
    ///
    /// let x = Array::from([1.0f32, 2.0]);
    /// x.delete();
    /// assert!(x.is_deleted());
    /// assert_eq!(x.to_vec::<f32>().unwrap_err().kind(), ErrorKind::DeletedBuffer);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Panics
    /// For a tracer.
    #[track_caller]
    pub fn delete(&self) {
        let deleted = match &self.0 {
            Repr::Device(x) => x.shards.iter().try_for_each(Buffer::delete),
            Repr::Scalar(_) | Repr::Zero(_) => Ok(()),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
            Repr::Tracer(t) => Err(concretization(t)),
        };
        deleted.or_throw();
    }
}
