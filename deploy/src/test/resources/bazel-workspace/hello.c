#include <stdio.h>
#include "beta.h"

int main(void) {
  printf("%d\n", beta());
  return 0;
}
