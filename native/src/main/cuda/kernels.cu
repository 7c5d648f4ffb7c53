// Everything, as one module. Each file has names of its own, and can be compiled alone.
#include "groups.cuh"
#include "rows.cuh"

namespace elements {
#include "elements.cu"
}
namespace rope {
#include "rope.cu"
}
namespace kivi {
#include "kivi.cu"
}
namespace rotated {
#include "rotated.cu"
}
namespace fp8 {
#include "fp8.cu"
}
namespace rans {
#include "rans.cu"
}
namespace matrices {
#include "matrices.cu"
}
namespace vectors {
#include "vectors.cu"
}
namespace coefficients {
#include "coefficients.cu"
}
namespace errors {
#include "errors.cu"
}
namespace pages {
#include "pages.cu"
}
