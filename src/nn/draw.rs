//! The parameters that a model asks for, drawn by few programs.

use std::sync::Arc;

use super::initializers::Initializer;
use super::scope::{Spec, hash_of};
use crate::api::{jit, vmap};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::config;
use crate::core::scalar::Scalar;
use crate::core::trace::with_location;
use crate::error::{Loc, Result, err};
use crate::lax::{self, index_along};
use crate::random::{self, Key, SplitOptions, Unscaled};

/// Those that one computation can draw.
struct Group {
    initializer: Initializer,
    aval: ShapedArray,
    /// How many layers share each name: the sizes of the leading axes.
    stacked: Vec<usize>,
    members: Vec<usize>,
    /// The line that asks for the first.
    loc: Loc,
}

/// Draws the parameter whose name has this hash.
type DrawOne<'a> = Box<dyn Fn(u32) -> Result<Array> + 'a>;

/// Draws some numbers with a key, by four words: the name's hash, the layer, and where the numbers begin among the layer's.
type DrawPart = dyn Fn(&Key, &Array) -> Result<Array>;

/// Parameters of fewer elements than this are drawn by programs that are compiled with little optimisation, which takes a third of
/// the time; what they compute then differs in the last bit, so that it may depend on nothing but the parameter.
const SMALL: usize = 1 << 20;

/// How many numbers a program draws at once of a parameter of so many.
fn part_size(size: usize) -> usize {
    if size < SMALL { 1 << 16 } else { 1 << 20 }
}

/// To compile a program takes longer than to draw most parameters, so that there are few, and no more for a deeper model: one for
/// each distribution, which draws parts of any parameter, and for each kind of parameter one that puts the parts together. What is no
/// distribution times a number is drawn by a program for each kind. (A program with all parameters as results would compile something
/// for each.)
pub(super) fn draw(key: &Key, specs: &[Spec]) -> Result<Vec<Array>> {
    let mut parts = Vec::new();
    let mut arrays: Vec<Option<Array>> = vec![None; specs.len()];
    for group in groups(specs) {
        let draw_one = if let Some(value) = group.initializer.constant() {
            group.constant(value)?
        } else if let Some(unscaled) = group.unscaled(key) {
            let program = (unscaled, part_size(group.aval.size()), group.layers());
            group.of_parts(key, part_of(&mut parts, program))
        } else {
            group.whole(key)
        };
        for &i in &group.members {
            arrays[i] = Some(draw_one(hash_of(&specs[i].path))?);
        }
    }
    Ok(arrays.into_iter().flatten().collect())
}

fn groups(specs: &[Spec]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let alike = |g: &&mut Group| {
            g.aval == spec.aval && g.stacked == spec.stacked && g.initializer == spec.initializer
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.members.push(i),
            None => groups.push(Group {
                initializer: spec.initializer.clone(),
                aval: spec.aval,
                stacked: spec.stacked.clone(),
                members: vec![i],
                loc: spec.loc,
            }),
        }
    }
    groups
}

/// The distribution, how many numbers are a part, and of how many layers the part is of one, if of several.
type PartProgram = (Unscaled, usize, Option<usize>);

/// A program that draws parts, made when it is first asked for.
fn part_of(parts: &mut Vec<(PartProgram, Arc<DrawPart>)>, program: PartProgram) -> Arc<DrawPart> {
    if let Some((_, part)) = parts.iter().find(|(made, _)| *made == program) {
        return part.clone();
    }
    let (unscaled, size, layers) = program;
    let part = jit(move |key: &Key, words: &Array| -> Array {
        let word = |i: i64| index_along(words, i, 0);
        let own = random::fold_in(key, word(0));
        let own = match layers {
            Some(layers) => random::split_with(&own, SplitOptions::new().num(layers)).at_index(&word(1)),
            None => own,
        };
        unscaled.part(&own, [&word(2), &word(3)], size)
    });
    let part: Arc<DrawPart> = Arc::new(move |key: &Key, words: &Array| {
        config::with_disable_fusion_emitters(true, || part(key, words))
    });
    parts.push((program, part.clone()));
    part
}

impl Group {
    /// The number of layers that share each name, if there are several.
    fn layers(&self) -> Option<usize> {
        (!self.stacked.is_empty()).then(|| self.stacked.iter().product())
    }

    fn shape(&self) -> Vec<usize> {
        [&self.stacked[..], self.aval.shape()].concat()
    }

    /// What is drawn in parts.
    fn unscaled(&self, key: &Key) -> Option<Unscaled> {
        if key.is_traced() || !Unscaled::has_parts(key, self.aval.dtype()) {
            return None;
        }
        self.initializer.unscaled()
    }

    /// Few elements are written here: a program that does so takes as long to compile as one that draws.
    fn constant(&self, value: f64) -> Result<DrawOne<'_>> {
        let (shape, value) = (self.shape(), Scalar::from_f64(self.aval.dtype(), value));
        let size = shape.iter().product::<usize>();
        let all = if size <= part_size(0) && !value.dtype().is_sub_byte() {
            Array::from_bytes(&value.bytes()[..value.dtype().size()].repeat(size), value.dtype(), &shape)?
        } else {
            with_location(self.loc, || lax::full(&shape, value))
        };
        Ok(Box::new(move |_| Ok(all.clone())))
    }

    fn of_parts<'a>(&'a self, key: &'a Key, part: Arc<DrawPart>) -> DrawOne<'a> {
        let (initializer, aval, loc, shape) = (self.initializer.clone(), self.aval, self.loc, self.shape());
        let layers = self.layers().unwrap_or(1);
        let assemble = jit(move |parts: &Vec<Array>| -> Result<Array> {
            let Some((_, scale)) = with_location(loc, || initializer.scaled(aval.shape(), aval.dtype()))
            else {
                return Err(err!(Internal, "init: {initializer:?} is no distribution times a number"));
            };
            let all =
                if parts.is_empty() { lax::zeros(aval.dtype(), &[0]) } else { lax::concatenate(parts, 0) };
            let all = lax::reshape(&all, [layers, all.size() / layers.max(1)]);
            Ok(lax::reshape(&lax::slice_in_dim(&all, ..aval.size(), 1), &shape) * scale)
        });
        Box::new(move |hash| {
            let mut parts = Vec::new();
            for layer in 0..layers as u32 {
                for start in (0..self.aval.size() as u64).step_by(part_size(self.aval.size())) {
                    let words = [hash, layer, (start >> 32) as u32, start as u32];
                    parts.push(part(key, &Array::from(words))?);
                }
            }
            quickly_compiled(|| assemble(&parts))
        })
    }

    fn whole<'a>(&'a self, key: &'a Key) -> DrawOne<'a> {
        let (initializer, aval, loc, shape) = (self.initializer.clone(), self.aval, self.loc, self.shape());
        let layers = self.layers();
        let one = move |key: &Key| with_location(loc, || initializer.draw(key, (aval.shape(), aval.dtype())));
        let draw = jit(move |key: &Key, hash: &Array| -> Result<Array> {
            let own = random::fold_in(key, hash);
            match layers {
                None => Ok(one(&own)),
                Some(layers) => {
                    let keys = random::split_with(&own, SplitOptions::new().num(layers));
                    Ok(lax::reshape(&vmap(&one)(&keys)?, &shape))
                }
            }
        });
        Box::new(move |hash| {
            let draw = || draw(key, &Array::from(hash));
            if aval.size() >= SMALL {
                return draw();
            }
            quickly_compiled(draw)
        })
    }
}

fn quickly_compiled<T>(f: impl FnOnce() -> T) -> T {
    config::with_disable_most_optimizations(true, || config::with_disable_fusion_emitters(true, f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::nn::{self, Scope, initializers};

    /// Each parameter is what its initializer gives for its own key, whatever parts it is drawn in.
    #[test]
    fn parameters_are_those_of_their_initializers() {
        let large = [3, SMALL / 2];
        let cases: [(Initializer, &[usize], DType); 10] = [
            (initializers::normal(0.02), &[7, 5], DType::F32),
            (initializers::normal(0.02), &[3, 1 << 16], DType::F32),
            (initializers::lecun_normal(), &[300, 500], DType::F32),
            (initializers::lecun_normal(), &large, DType::F32),
            (initializers::he_uniform(), &[2, 3, 4], DType::F32),
            (initializers::uniform(0.1), &[0, 3], DType::F32),
            (initializers::truncated_normal(2.0), &[1 << 16], DType::F32),
            (initializers::xavier_normal().matrix(1), &[8, 2, 4], DType::F32),
            (initializers::lecun_normal(), &[3, 4], DType::BF16),
            (Initializer::new(|key, shape, dtype| random::normal(key, (shape, dtype))), &[6], DType::F32),
        ];
        let name = |i: usize| format!("p{i}");
        let block = |cx: &Scope, x: Array| {
            cx.param("stacked", [200, 400], initializers::glorot_normal());
            x
        };
        let key = random::key(7);
        let params = nn::init(&key, |cx| {
            for (i, (initializer, shape, dtype)) in cases.iter().enumerate() {
                cx.param(&name(i), (*shape, *dtype), initializer.clone());
            }
            nn::repeat(&cx.at("deep"), 2, Array::from(0.0f32), block)
        })
        .unwrap();
        let close = |path: &str, found: &Array, expected: &Array| {
            assert_eq!((found.shape(), found.dtype()), (expected.shape(), expected.dtype()), "{path}");
            let [found, expected] =
                [found, expected].map(|x| lax::convert_element_type(x, DType::F32).to_vec::<f32>().unwrap());
            let far = found.iter().zip(&expected).position(|(a, b)| (a - b).abs() > 2e-6 * b.abs());
            assert_eq!(far.map(|i| (found[i], expected[i])), None, "{path}");
        };
        for (i, (initializer, shape, dtype)) in cases.iter().enumerate() {
            let own = random::fold_in(&key, hash_of(&name(i)));
            close(&name(i), params.get(&name(i)).unwrap(), &initializer.draw(&own, (*shape, *dtype)));
        }
        let own = random::fold_in(&key, hash_of("deep/stacked"));
        let layers = random::split_with(&own, SplitOptions::new().num(2));
        for layer in 0..2 {
            let expected = initializers::glorot_normal().draw(&layers.at(layer), [200, 400]);
            close("stacked", &params.get("deep/stacked").unwrap().index(layer), &expected);
        }
    }
}
