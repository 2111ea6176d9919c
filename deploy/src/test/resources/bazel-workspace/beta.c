#include "beta.h"
#include "alpha.h"

int beta(void) { return alpha() + 2; }
