#include "alpha.h"

int alpha(void) { return 40; }
