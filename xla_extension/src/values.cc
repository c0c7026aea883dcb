// Errors, named values, element types, layouts and shapes: what crosses the C boundary by value.
#include "api.h"

namespace raxla {

void NamedValues::Index() {
  views_.reserve(owned_.size());
  for (const auto& [name, value] : owned_) {
    PJRT_NamedValue v;
    std::memset(&v, 0, sizeof v);
    v.struct_size = PJRT_NamedValue_STRUCT_SIZE;
    v.name = name.data();
    v.name_size = name.size();
    v.value_size = 1;
    if (auto* s = std::get_if<std::string>(&value)) {
      v.type = PJRT_NamedValue_kString;
      v.string_value = s->data();
      v.value_size = s->size();
    } else if (auto* b = std::get_if<bool>(&value)) {
      v.type = PJRT_NamedValue_kBool;
      v.bool_value = *b;
    } else if (auto* i = std::get_if<int64_t>(&value)) {
      v.type = PJRT_NamedValue_kInt64;
      v.int64_value = *i;
    } else if (auto* list = std::get_if<std::vector<int64_t>>(&value)) {
      v.type = PJRT_NamedValue_kInt64List;
      v.int64_array_value = list->data();
      v.value_size = list->size();
    } else {
      v.type = PJRT_NamedValue_kFloat;
      v.float_value = std::get<float>(value);
    }
    views_.push_back(v);
  }
}

// One row for each element type that both sides have.
static constexpr std::pair<PJRT_Buffer_Type, xla::PrimitiveType> kTypes[] = {
    {PJRT_Buffer_Type_PRED, xla::PRED},         {PJRT_Buffer_Type_S8, xla::S8},
    {PJRT_Buffer_Type_S16, xla::S16},           {PJRT_Buffer_Type_S32, xla::S32},
    {PJRT_Buffer_Type_S64, xla::S64},           {PJRT_Buffer_Type_U8, xla::U8},
    {PJRT_Buffer_Type_U16, xla::U16},           {PJRT_Buffer_Type_U32, xla::U32},
    {PJRT_Buffer_Type_U64, xla::U64},           {PJRT_Buffer_Type_F16, xla::F16},
    {PJRT_Buffer_Type_F32, xla::F32},           {PJRT_Buffer_Type_F64, xla::F64},
    {PJRT_Buffer_Type_BF16, xla::BF16},         {PJRT_Buffer_Type_C64, xla::C64},
    {PJRT_Buffer_Type_C128, xla::C128},         {PJRT_Buffer_Type_F8E5M2, xla::F8E5M2},
    {PJRT_Buffer_Type_F8E4M3FN, xla::F8E4M3FN}, {PJRT_Buffer_Type_F8E4M3B11FNUZ, xla::F8E4M3B11FNUZ},
    {PJRT_Buffer_Type_F8E5M2FNUZ, xla::F8E5M2FNUZ}, {PJRT_Buffer_Type_F8E4M3FNUZ, xla::F8E4M3FNUZ},
    {PJRT_Buffer_Type_S4, xla::S4},             {PJRT_Buffer_Type_U4, xla::U4},
    {PJRT_Buffer_Type_TOKEN, xla::TOKEN},       {PJRT_Buffer_Type_S2, xla::S2},
    {PJRT_Buffer_Type_U2, xla::U2},             {PJRT_Buffer_Type_F8E4M3, xla::F8E4M3},
    {PJRT_Buffer_Type_F8E3M4, xla::F8E3M4},     {PJRT_Buffer_Type_F8E8M0FNU, xla::F8E8M0FNU},
    {PJRT_Buffer_Type_F4E2M1FN, xla::F4E2M1FN},
};

PJRT_Buffer_Type ToBufferType(xla::PrimitiveType type) {
  for (auto [c, cpp] : kTypes) {
    if (cpp == type) return c;
  }
  return PJRT_Buffer_Type_INVALID;
}

absl::StatusOr<xla::PrimitiveType> ToPrimitiveType(PJRT_Buffer_Type type) {
  for (auto [c, cpp] : kTypes) {
    if (c == type) return cpp;
  }
  return absl::InvalidArgumentError(absl::StrCat("PJRT_Buffer_Type ", static_cast<int>(type), " is not an element type"));
}

absl::StatusOr<xla::Shape> ToShape(PJRT_Buffer_Type type, const int64_t* dims, size_t rank) {
  ASSIGN_OR_RETURN(xla::PrimitiveType element, ToPrimitiveType(type));
  if (element == xla::TOKEN) return xla::ShapeUtil::MakeTokenShape();
  return xla::ShapeUtil::MakeValidatedShape(element, absl::MakeConstSpan(dims, rank));
}

static absl::StatusOr<xla::Layout> TiledLayout(const PJRT_Buffer_MemoryLayout_Tiled& tiled, size_t rank) {
  if (tiled.minor_to_major_size != rank) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: minor_to_major has ", tiled.minor_to_major_size, " entries, the array has ", rank, " dimensions"));
  }
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < rank; i++) {
    const int64_t d = tiled.minor_to_major[i];
    if (d < 0 || d >= static_cast<int64_t>(rank) || seen[d]) {
      return absl::InvalidArgumentError(absl::StrCat("layout: minor_to_major is not a permutation of 0..", rank));
    }
    seen[d] = true;
  }
  xla::Layout layout(absl::MakeConstSpan(tiled.minor_to_major, rank));
  const int64_t* dim = tiled.tile_dims;
  for (size_t i = 0; i < tiled.num_tiles; i++) {
    layout.add_tiles();
    for (size_t j = 0; j < tiled.tile_dim_sizes[i]; j++) layout.mutable_tiles()->back().add_dimensions(*dim++);
  }
  return layout;
}

// Strides name a layout when they are those of a dense array in some order of its dimensions.
static absl::StatusOr<xla::Layout> StridedLayout(const PJRT_Buffer_MemoryLayout_Strides& strides, xla::PrimitiveType type,
                                                 absl::Span<const int64_t> dims) {
  const size_t rank = dims.size();
  if (strides.num_byte_strides != rank) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout: ", strides.num_byte_strides, " strides for an array of ", rank, " dimensions"));
  }
  xla::DimensionVector minor_to_major(rank);
  for (size_t i = 0; i < rank; i++) minor_to_major[i] = rank - 1 - i;
  std::stable_sort(minor_to_major.begin(), minor_to_major.end(), [&](int64_t a, int64_t b) {
    return std::abs(strides.byte_strides[a]) < std::abs(strides.byte_strides[b]) ||
           (strides.byte_strides[a] == strides.byte_strides[b] && dims[a] == 1 && dims[b] != 1);
  });
  int64_t dense = xla::primitive_util::ByteWidth(type);
  for (int64_t d : minor_to_major) {
    if (dims[d] > 1 && strides.byte_strides[d] != dense) {
      return absl::UnimplementedError(
          absl::StrCat("layout: byte_strides[", d, "] = ", strides.byte_strides[d], " does not make a dense array of dimensions [", absl::StrJoin(dims, ","), "]: only permutations of a dense layout are served"));
    }
    dense *= dims[d];
  }
  return xla::Layout(minor_to_major);
}

absl::StatusOr<xla::Layout> ToLayout(const PJRT_Buffer_MemoryLayout* layout, xla::PrimitiveType type, absl::Span<const int64_t> dims) {
  if (layout == nullptr) {
    xla::DimensionVector minor_to_major(dims.size());
    for (size_t i = 0; i < dims.size(); i++) minor_to_major[i] = dims.size() - 1 - i;
    return xla::Layout(minor_to_major);
  }
  if (layout->type == PJRT_Buffer_MemoryLayout_Type_Tiled) return TiledLayout(layout->tiled, dims.size());
  if (layout->type == PJRT_Buffer_MemoryLayout_Type_Strides) return StridedLayout(layout->strides, type, dims);
  return absl::InvalidArgumentError(absl::StrCat("PJRT_Buffer_MemoryLayout_Type ", static_cast<int>(layout->type), " is unknown"));
}

absl::StatusOr<xla::Shape> ToShapeWithLayout(PJRT_Buffer_Type type, const int64_t* dims, size_t rank,
                                             const PJRT_Buffer_MemoryLayout* layout) {
  ASSIGN_OR_RETURN(xla::Shape shape, ToShape(type, dims, rank));
  if (!shape.IsArray()) return shape;
  ASSIGN_OR_RETURN(*shape.mutable_layout(), ToLayout(layout, shape.element_type(), shape.dimensions()));
  return shape;
}

static void PJRT_Error_Destroy(PJRT_Error_Destroy_Args* args) {
  if (args->struct_size >= SIZE_UP_TO(PJRT_Error_Destroy_Args, error)) delete args->error;
}

static void PJRT_Error_Message(PJRT_Error_Message_Args* args) {
  if (args->struct_size < SIZE_UP_TO(PJRT_Error_Message_Args, message_size)) return;
  args->message = args->error->status.message().data();
  args->message_size = args->error->status.message().size();
}

ENTRY(PJRT_Error_GetCode, code) {
  args->code = static_cast<PJRT_Error_Code>(args->error->status.code());
  return absl::OkStatus();
}

// ---- events ----

ENTRY(PJRT_Event_Destroy, event) {
  delete args->event;
  return absl::OkStatus();
}

ENTRY(PJRT_Event_IsReady, is_ready) {
  args->is_ready = args->event->future.IsReady();
  return absl::OkStatus();
}

ENTRY(PJRT_Event_Error, event) {
  if (!args->event->future.IsReady()) {
    return absl::FailedPreconditionError("PJRT_Event_Error: the event is not ready; await it first");
  }
  return args->event->future.Await();
}

ENTRY(PJRT_Event_Await, event) { return args->event->future.Await(); }

ENTRY(PJRT_Event_OnReady, user_arg) {
  args->event->future.OnReady([callback = args->callback, user_arg = args->user_arg](const absl::Status& status) {
    callback(ToError(status), user_arg);
  });
  return absl::OkStatus();
}

ENTRY(PJRT_Event_Create, event) {
  auto [promise, future] = xla::MakePromise<>();
  args->event = new PJRT_Event{std::move(future), std::move(promise)};
  return absl::OkStatus();
}

ENTRY(PJRT_Event_Set, error_message_size) {
  if (!args->event->promise.has_value()) {
    return absl::FailedPreconditionError("PJRT_Event_Set: the event was not made by PJRT_Event_Create, or is already set");
  }
  args->event->promise->Set(ToStatus(args->error_code, args->error_message, args->error_message_size));
  args->event->promise.reset();
  return absl::OkStatus();
}

// ---- plugin ----

ENTRY(PJRT_Plugin_Initialize, extension_start) { return absl::OkStatus(); }

ENTRY(PJRT_Plugin_Attributes, num_attributes) {
  auto version = [](mlir::vhlo::Version v) { return std::vector<int64_t>{v.getMajor(), v.getMinor(), v.getPatch()}; };
  // `xla_version` is 2 in every PJRT plugin that XLA itself builds.
  static const auto* attributes = new NamedValues{
      {"xla_version", int64_t{2}},
      {"stablehlo_current_version", version(mlir::vhlo::Version::getCurrentVersion())},
      {"stablehlo_minimum_version", version(mlir::vhlo::Version::getMinimumVersion())},
      // Of this plugin's own: small programs and copies are done on the caller's thread, donated arguments or not.
      {"inline_small_work", true},
  };
  args->attributes = attributes->data();
  args->num_attributes = attributes->size();
  return absl::OkStatus();
}

}  // namespace raxla
