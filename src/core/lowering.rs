//! What a primitive's `lower` writes to: the module builder, with helpers for the operations that many rules share.
//! JAX: `interpreters/mlir.py`.

mod sharding;
mod text;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::effects::{Effect, Effects};
use crate::core::jaxpr::{Atom, Eqn, Jaxpr, Live, Var};
use crate::core::name_stack::NameStack;
use crate::core::primitive::{Param, Primitive};
use crate::core::scalar::Scalar;
use crate::core::sharding::{Mesh, Sharding};
use crate::core::small::small;
use crate::core::work;
use crate::dtype::DType;
use crate::error::{Error, Result, bail, caller, err};
use crate::mlir::{Attrs, Block, Builder, Place, Type, Value, Values, push_list};
use crate::pjrt::{CompilerOptions, HostCall, Kernel};
pub(crate) use text::mlir_literal;
use text::row_major;

/// A lowered module.
#[derive(Clone, Debug)]
pub struct Module {
    pub text: String,
    /// The functions of this process that it calls: they live as long as a program that was compiled from it.
    pub host_calls: Arc<[Arc<HostCall>]>,
}

/// A module that is being lowered. It dereferences to its [`Builder`].
#[derive(Debug)]
pub struct LoweringCtx {
    builder: Builder,
    /// The named axes that collectives may refer to here, innermost last.
    axis_env: Vec<(AxisName, usize)>,
    /// The types of avals.
    types: FxHashMap<ShapedArray, Type>,
    /// Constants of one element, by the block that they are in, their element and their type.
    splats: FxHashMap<(Block, Scalar, Type), Value>,
    /// The element of each scalar constant.
    scalars: FxHashMap<Value, Scalar>,
    /// Functions of nested jaxprs: one for all the calls of equal jaxprs.
    functions: FxHashMap<Arc<Jaxpr>, String>,
    /// Functions that lowering rules have asked for, by their name and the types of their arguments.
    helpers: FxHashMap<(&'static str, SmallVec<[Type; 4]>), String>,
    names: FxHashMap<String, usize>,
    /// The scopes that what is written stands in.
    scopes: NameStack,
    /// The name of the whole, which is that of `main`: `jit(step)/`.
    whole: String,
    /// What the module will be compiled for, if that is known.
    target: Option<Sharding>,
    /// The meshes that it refers to.
    meshes: SmallVec<[Mesh; 1]>,
    /// The present token of each ordered effect, while something is written that has it.
    tokens: [Option<Value>; Effect::COUNT],
    /// The functions of this process that the module calls.
    host_calls: Vec<Arc<HostCall>>,
}

impl Deref for LoweringCtx {
    type Target = Builder;
    fn deref(&self) -> &Builder {
        &self.builder
    }
}

impl DerefMut for LoweringCtx {
    fn deref_mut(&mut self) -> &mut Builder {
        &mut self.builder
    }
}

impl LoweringCtx {
    /// An empty module named `name`, for the devices and the platform of a sharding; without one, for one device of any
    /// platform. JAX: `lowering_platforms`, `ModuleContext.axis_context`.
    pub fn new(name: &str, target: Option<Sharding>) -> Self {
        let devices = target.map_or(1, |target| target.devices().len());
        let mut ctx = LoweringCtx {
            builder: Builder::new(name, devices),
            meshes: SmallVec::new(),
            axis_env: Vec::new(),
            types: FxHashMap::default(),
            splats: FxHashMap::default(),
            scalars: FxHashMap::default(),
            functions: FxHashMap::default(),
            helpers: FxHashMap::default(),
            names: FxHashMap::default(),
            scopes: NameStack::default(),
            whole: name.strip_prefix("jit_").map_or_else(String::new, |name| format!("jit({name})/")),
            target,
            tokens: [None; Effect::COUNT],
            host_calls: Vec::new(),
        };
        if let Some(target) = target {
            ctx.mesh_of(target);
        }
        ctx
    }

    /// The size of a named axis that the module has: of one that no enclosing `vmap` replaced.
    ///
    /// # Errors
    /// `unbound axis name: i`
    pub fn axis_size(&self, name: AxisName) -> Result<usize> {
        match self.axis_env.iter().rev().find(|(known, _)| *known == name) {
            Some((_, size)) => Ok(*size),
            None => bail!(UnboundAxisName, "unbound axis name: {name}. No enclosing vmap binds it"),
        }
    }

    /// The platform that the module is for: `cpu`, `cuda`, `tpu`; empty if it is for any.
    pub fn platform(&self) -> &'static str {
        self.target.map_or("", |sharding| sharding.client().platform_name())
    }

    /// The finished module.
    pub fn finish(self) -> Module {
        Module { text: self.builder.finish(), host_calls: self.host_calls.into() }
    }

    /// The type of an aval.
    pub fn ty(&mut self, aval: &ShapedArray) -> Type {
        let known = self.types.get(aval).copied();
        known.unwrap_or_else(|| {
            let ty = self.builder.tensor(aval.dtype(), aval.shape());
            self.types.insert(*aval, ty);
            ty
        })
    }

    /// The aval of a value (strongly typed).
    pub fn aval(&self, value: Value) -> ShapedArray {
        ShapedArray::new(self.dtype(value), &self.shape(value))
    }

    /// An operation with operands of one shape and a result of another dtype or of the same, in generic form.
    pub fn op_aval(&mut self, name: &str, operands: &[Value], attrs: &str, out: &ShapedArray) -> Value {
        let ty = self.ty(out);
        self.op1(name, operands, attrs, ty)
    }

    /// A scalar constant.
    pub fn constant(&mut self, value: Scalar) -> Value {
        self.full(value, &[])
    }

    /// A constant of this shape with every element `value`. A block has one of each.
    pub fn full(&mut self, value: Scalar, shape: &[usize]) -> Value {
        let ty = self.tensor(value.dtype(), shape);
        let key = (self.block(), value.with_weak_type(false), ty);
        if let Some(constant) = self.splats.get(&key) {
            return *constant;
        }
        let constant = self.dense(&mlir_literal(value), ty);
        self.splats.insert(key, constant);
        if shape.is_empty() {
            self.scalars.insert(constant, value);
        }
        constant
    }

    /// A constant of `value`'s shape and dtype with every element `x`.
    pub fn full_like(&mut self, value: Value, x: f64) -> Value {
        let shape = self.shape(value);
        let scalar = Scalar::from_f64(self.dtype(value), x);
        self.full(scalar, &shape)
    }

    /// `broadcast_in_dim`: axis `i` of `x` becomes axis `dims[i]` of the result.
    pub fn broadcast_in_dim(&mut self, x: Value, shape: &[usize], dims: &[usize]) -> Value {
        if self.dims(x) == shape && dims.is_sorted() {
            return x;
        }
        if let Some(element) = self.scalars.get(&x) {
            return self.full(*element, shape);
        }
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, shape);
        let middle = |out: &mut String| {
            out.push_str(", dims = ");
            push_list(out, dims);
        };
        self.short("stablehlo.broadcast_in_dim", &[x], middle, ty)
    }

    /// `convert` to another dtype; nothing if it has it already.
    pub fn convert(&mut self, x: Value, dtype: DType) -> Value {
        if self.dtype(x) == dtype {
            return x;
        }
        let shape = self.shape(x);
        let ty = self.tensor(dtype, &shape);
        self.short("stablehlo.convert", &[x], |_| {}, ty)
    }

    /// `reshape`.
    pub fn reshape(&mut self, x: Value, shape: &[usize]) -> Value {
        if self.dims(x) == shape {
            return x;
        }
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, shape);
        self.short("stablehlo.reshape", &[x], |_| {}, ty)
    }

    /// `transpose`: axis `i` of the result is axis `permutation[i]` of `x`.
    pub fn transpose(&mut self, x: Value, permutation: &[usize]) -> Value {
        let shape = self.dims(x);
        let shape: SmallVec<[usize; 4]> = permutation.iter().map(|p| shape[*p]).collect();
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, &shape);
        let middle = |out: &mut String| {
            out.push_str(", dims = ");
            push_list(out, permutation);
        };
        self.short("stablehlo.transpose", &[x], middle, ty)
    }

    /// `select`: `on_true` where `pred`.
    pub fn select(&mut self, pred: Value, on_true: Value, on_false: Value) -> Value {
        self.op1("stablehlo.select", &[pred, on_true, on_false], "", on_true.ty())
    }

    /// `compare` with a direction such as `"LT"`, by the comparison type that the dtype has.
    pub fn compare(&mut self, direction: &str, lhs: Value, rhs: Value) -> Value {
        let dtype = self.dtype(lhs);
        let kind = match dtype {
            d if d.is_inexact() => "FLOAT",
            d if d.is_signed() => "SIGNED",
            _ => "UNSIGNED",
        };
        self.compare_as(direction, kind, lhs, rhs)
    }

    /// `compare` with a direction and a comparison type.
    pub fn compare_as(&mut self, direction: &str, kind: &str, lhs: Value, rhs: Value) -> Value {
        let shape = self.shape(lhs);
        let ty = self.tensor(DType::Bool, &shape);
        self.comparison(direction, kind, lhs, rhs, ty)
    }

    /// `iota` along `axis`.
    pub fn iota(&mut self, dtype: DType, shape: &[usize], axis: usize) -> Value {
        let ty = self.tensor(dtype, shape);
        self.op1("stablehlo.iota", &[], &format!("iota_dimension = {axis} : i64"), ty)
    }

    /// `reduce` over `axes` with one binary elementwise operation as its body.
    pub fn reduce(&mut self, body: &str, x: Value, init: Scalar, axes: &[usize]) -> Value {
        let init = self.constant(init);
        let shape: SmallVec<[usize; 4]> = {
            let full = self.dims(x).iter().enumerate();
            small(full.filter(|(i, _)| !axes.contains(i)).map(|(_, n)| *n))
        };
        let dtype = self.dtype(x);
        let ty = self.tensor(dtype, &shape);
        self.reduce_by(body, x, init, axes, ty)
    }

    /// An operation with one region.
    pub fn op_with_region(
        &mut self,
        name: &str,
        operands: &[Value],
        attrs: &str,
        results: &[Type],
        region_args: &[Type],
        body: impl FnOnce(&mut Self, &[Value]) -> Result<Values>,
    ) -> Result<Values> {
        let out = self.begin_op_with_regions(name, operands, results);
        let args = self.begin_region(region_args);
        let values = body(self, &args)?;
        self.end_region(&values);
        self.end_op_with_regions(operands, attrs, &out);
        Ok(out)
    }

    /// Writes the equations of a jaxpr without constants in place.
    pub fn inline_jaxpr(&mut self, jaxpr: &Jaxpr, args: &[Value]) -> Result<Values> {
        debug_assert!(jaxpr.invars.len() == args.len());
        self.inline(jaxpr, &jaxpr.live(), jaxpr.invars.iter().copied().zip(args.iter().copied()))
    }

    fn inline(
        &mut self,
        jaxpr: &Jaxpr,
        live: &Live,
        args: impl Iterator<Item = (Var, Value)>,
    ) -> Result<Values> {
        debug_assert!(jaxpr.constvars.is_empty());
        let mut env: Vec<Option<Value>> = vec![None; jaxpr.avals.len()];
        for (var, value) in args {
            env[var.0 as usize] = Some(value);
        }
        let (outer, scopes) = (self.place(), self.scopes.clone());
        let mut ins = Values::new();
        let mut outs: SmallVec<[ShapedArray; 2]> = SmallVec::new();
        let mut thinned = live.thinned.iter().rev().peekable();
        for (i, (eqn, _)) in jaxpr.eqns.iter().zip(&live.eqns).enumerate().filter(|(_, (_, live))| **live) {
            work::count(1 + eqn.inputs.len());
            let eqn = thinned.next_if(|(position, _)| *position == i).map_or(eqn, |(_, thin)| thin);
            self.enter(eqn, &scopes);
            ins.clear();
            for atom in &eqn.inputs {
                ins.push(self.read(&env, atom)?);
            }
            outs.clear();
            for var in &eqn.outputs {
                outs.push(*jaxpr.aval(*var));
            }
            if let Some(options) = eqn.prim.compiler_options() {
                return Err(nested(&*eqn.prim, options).at(eqn.loc));
            }
            let values = eqn.prim.lower(self, &ins, &outs).map_err(|e| e.at(eqn.loc))?;
            for (var, value) in eqn.outputs.iter().zip(values) {
                env[var.0 as usize] = Some(value);
            }
        }
        // What follows belongs to the equation that holds this jaxpr.
        self.scopes = scopes;
        if let Some(outer) = outer {
            self.set_place(outer);
        }
        jaxpr.outvars.iter().map(|a| self.read(&env, a)).collect()
    }

    /// What follows is written for an equation inside of these scopes.
    fn enter(&mut self, eqn: &Eqn, outer: &NameStack) {
        let mut name = None;
        if outer.has_scope() || eqn.names.has_scope() {
            self.scopes = outer.join(&eqn.names);
            name = Some(format!("{}{}/{}", self.whole, self.scopes, eqn.prim.name()).into());
        } else if self.scopes.has_scope() {
            self.scopes = outer.clone();
        }
        self.set_place(Place { line: eqn.loc, name });
    }

    fn read(&mut self, env: &[Option<Value>], atom: &Atom) -> Result<Value> {
        match atom {
            Atom::Literal(x) => Ok(self.constant(*x)),
            Atom::Var(v) => env[v.0 as usize]
                .ok_or_else(|| crate::error::err!(Internal, "lowering: variable {} has no value", v.0)),
        }
    }

    /// The private function of a jaxpr without constants, written once for equal jaxprs.
    pub fn function_of(&mut self, name: &str, jaxpr: &Arc<Jaxpr>) -> Result<String> {
        if let Some(function) = self.functions.get(jaxpr) {
            return Ok(function.clone());
        }
        let function = self.unique_name(name);
        self.write_function(&function, false, jaxpr)?;
        self.functions.insert(jaxpr.clone(), function.clone());
        Ok(function)
    }

    /// Calls a jaxpr without constants as a private function.
    pub fn call_jaxpr(&mut self, name: &str, jaxpr: &Arc<Jaxpr>, args: &[Value]) -> Result<Values> {
        let function = self.function_of(name, jaxpr)?;
        let effects = jaxpr.effects().ordered();
        let mut args: Values = args.into();
        args.insert_many(0, self.tokens(effects)?);
        let mut results: Vec<Type> = args[..effects.len()].iter().map(|token| token.ty()).collect();
        results.extend(jaxpr.outvars.iter().map(|a| self.ty(&jaxpr.atom_aval(a))));
        let mut values = self.builder.call(&function, &args, &results);
        self.set_tokens(effects, values.drain(..effects.len()));
        Ok(values)
    }

    /// A private function, which `body` writes when it is asked for first with arguments of these types.
    pub fn helper(
        &mut self,
        name: &'static str,
        args: &[Type],
        results: &[Type],
        body: impl FnOnce(&mut Self, &[Value]) -> Result<Values>,
    ) -> Result<String> {
        let key = (name, args.into());
        if let Some(function) = self.helpers.get(&key) {
            return Ok(function.clone());
        }
        let function = self.unique_name(name);
        let (ins, outs) = (args.to_vec(), results.to_vec());
        self.write_body(&function, false, Effects::NONE, ins, outs, [&[], &[]], body)?;
        self.helpers.insert(key, function.clone());
        Ok(function)
    }

    /// Calls a private function, which `body` writes at the first call with arguments of these types. On the CPU it stays a
    /// function: inlined, it would be compiled again for each of its calls.
    pub fn call_helper(
        &mut self,
        name: &'static str,
        args: &[Value],
        results: &[Type],
        body: impl FnOnce(&mut Self, &[Value]) -> Result<Values>,
    ) -> Result<Values> {
        let function = self.helper(name, &small::<[Type; 4]>(args.iter().map(|x| x.ty())), results, body)?;
        let attrs = match self.platform() {
            "cpu" => ", mhlo.frontend_attributes = {inlineable = \"false\"}",
            _ => "",
        };
        Ok(self.builder.op("func.call", args, &format!("callee = @{function}{attrs}"), results))
    }

    /// Writes a jaxpr without constants as a function, with all its parameters.
    pub fn write_function(&mut self, name: &str, public: bool, jaxpr: &Jaxpr) -> Result<()> {
        let live = Live { params: (0..jaxpr.invars.len()).collect(), ..jaxpr.live() };
        self.write_live(name, public, jaxpr, &live, &[], &[])
    }

    /// Writes what is live of a jaxpr without constants as a function. Attributes may be shorter than the lists that
    /// they belong to.
    pub(crate) fn write_live(
        &mut self,
        name: &str,
        public: bool,
        jaxpr: &Jaxpr,
        live: &Live,
        arg_attrs: &[Attrs],
        result_attrs: &[Attrs],
    ) -> Result<()> {
        let params = || live.params.iter().map(|i| jaxpr.invars[*i]);
        let args = params().map(|v| self.ty(jaxpr.aval(v))).collect();
        let results = jaxpr.outvars.iter().map(|a| self.ty(&jaxpr.atom_aval(a))).collect();
        let attrs = [arg_attrs, result_attrs];
        self.write_body(name, public, jaxpr.effects(), args, results, attrs, |ctx, values| {
            ctx.reserve(jaxpr.eqns.len());
            ctx.inline(jaxpr, live, params().zip(values.iter().copied()))
        })
    }

    /// Writes a function whose body has these effects: the tokens of the ordered ones are its leading parameters and results.
    #[allow(clippy::too_many_arguments, reason = "all of a function's head")]
    pub(crate) fn write_body(
        &mut self,
        name: &str,
        public: bool,
        effects: Effects,
        mut args: Vec<Type>,
        mut results: Vec<Type>,
        attrs: [&[Attrs]; 2],
        body: impl FnOnce(&mut Self, &[Value]) -> Result<Values>,
    ) -> Result<()> {
        let effects = effects.ordered();
        let n = effects.len();
        let token = self.token_type();
        args.splice(0..0, std::iter::repeat_n(token, n));
        results.splice(0..0, std::iter::repeat_n(token, n));
        let with_tokens = |attrs: &[Attrs]| {
            let token = Attrs(vec!["jax.token = true".into()]);
            std::iter::repeat_n(token, n).chain(attrs.iter().cloned()).collect::<Vec<_>>()
        };
        let (outer, scopes) = (self.tokens, std::mem::take(&mut self.scopes));
        let whole = if public { self.whole.clone() } else { std::mem::take(&mut self.whole) };
        let values = match n {
            0 => self.begin_function(name, public, &args, &results, attrs),
            _ => {
                let [of_args, of_results] = attrs.map(with_tokens);
                self.begin_function(name, public, &args, &results, [&of_args, &of_results])
            }
        };
        self.set_tokens(effects, values[..n].iter().copied());
        let mut outs = body(self, &values[n..])?;
        outs.insert_many(0, self.tokens(effects)?);
        self.end_function(&outs);
        (self.tokens, self.scopes, self.whole) = (outer, scopes, whole);
        Ok(())
    }

    fn token_type(&mut self) -> Type {
        self.other_type("!stablehlo.token")
    }

    /// The present tokens of the ordered ones among these effects. An equation with an ordered effect takes it, and sets the
    /// next one; one with a body hands it in and out beside its values.
    pub(crate) fn tokens(&self, effects: Effects) -> Result<Values> {
        let token = |effect: Effect| match self.tokens[effect as usize] {
            Some(token) => Ok(token),
            None => bail!(Internal, "lowering: there is no token of the effect {}", effect.name()),
        };
        effects.ordered().iter().map(token).collect()
    }

    /// What follows comes after these tokens, as many as [`tokens`](Self::tokens) gives.
    pub(crate) fn set_tokens(&mut self, effects: Effects, tokens: impl IntoIterator<Item = Value>) {
        for (effect, token) in effects.ordered().iter().zip(tokens) {
            self.tokens[effect as usize] = Some(token);
        }
    }

    /// The call of a function of this process. `effect`: `None` for a function without side effects.
    pub(crate) fn host_call(
        &mut self,
        call: Arc<HostCall>,
        effect: Option<Effect>,
        ins: &[Value],
        outs: &[ShapedArray],
    ) -> Result<Values> {
        if let Some(target) = self.target {
            target.client().register_host_calls().map_err(|e| e.context(call.name()).at(call.loc()))?;
        }
        let tokens = effect.map_or(Effects::NONE, Effects::from).ordered();
        let mut operands = self.tokens(tokens)?;
        operands.extend_from_slice(ins);
        let mut results: Vec<Type> = operands[..tokens.len()].iter().map(|token| token.ty()).collect();
        results.extend(outs.iter().map(|aval| self.ty(aval)));
        let ranks = std::iter::repeat_n(0, tokens.len());
        let operand_layouts = row_major(operands.iter().map(|x| self.dims(*x).len()));
        let result_layouts = row_major(ranks.chain(outs.iter().map(ShapedArray::ndim)));
        let attrs = format!(
            "api_version = 4 : i32, backend_config = {{{} = {} : i64}}, call_target_name = \"{}\", has_side_effect = {}, \
             operand_layouts = [{operand_layouts}], result_layouts = [{result_layouts}]",
            HostCall::ID,
            call.id(),
            HostCall::TARGET,
            effect.is_some(),
        );
        self.host_calls.push(call);
        let mut values = self.op("stablehlo.custom_call", &operands, &attrs, &results);
        self.set_tokens(tokens, values.drain(..tokens.len()));
        Ok(values)
    }

    /// Does the module have kernels of this process?
    pub(crate) fn has_kernels(&self) -> bool {
        // A module for any platform is one that is not yet for one.
        matches!(self.platform(), "cpu" | "")
    }

    /// The call of a kernel of this process, with integers.
    pub(crate) fn kernel_call(
        &mut self,
        kernel: &'static Kernel,
        integers: &[(&str, i64)],
        ins: &[Value],
        outs: &[ShapedArray],
    ) -> Result<Values> {
        if let Some(target) = self.target {
            let registered = target.client().register_host_calls();
            registered.map_err(|e| e.context(kernel.name).at(self.location().unwrap_or_else(caller)))?;
        }
        let mut config = format!("{} = \"{}\"", Kernel::NAME, kernel.name);
        for (name, value) in integers {
            config += &format!(", {name} = {value} : i64");
        }
        let operand_layouts = row_major(ins.iter().map(|x| self.dims(*x).len()));
        let result_layouts = row_major(outs.iter().map(ShapedArray::ndim));
        let results: Vec<Type> = outs.iter().map(|aval| self.ty(aval)).collect();
        let attrs = format!(
            "api_version = 4 : i32, backend_config = {{{config}}}, call_target_name = \"{}\", \
             operand_layouts = [{operand_layouts}], result_layouts = [{result_layouts}]",
            Kernel::TARGET,
        );
        Ok(self.op("stablehlo.custom_call", ins, &attrs, &results))
    }

    fn unique_name(&mut self, name: &str) -> String {
        let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let clean = if clean == "main" { "main_fn".to_owned() } else { clean };
        let count = self.names.entry(clean.clone()).or_default();
        *count += 1;
        if *count == 1 { clean } else { format!("{clean}_{}", *count - 1) }
    }
}

/// What is part of a program cannot be compiled in a way of its own.
#[cold]
fn nested(prim: &dyn Primitive, options: &CompilerOptions) -> Error {
    let name = prim.params().into_iter().find_map(|(key, value)| match value {
        Param::Text(name) if key == "name" => Some(name),
        _ => None,
    });
    err!(
        InvalidArgument,
        "compiler_options can only be passed to top-level jit, got compiler_options={options} of {} inside of another program. Give \
         them to the outermost function that is jitted",
        name.as_deref().unwrap_or(prim.name())
    )
}
