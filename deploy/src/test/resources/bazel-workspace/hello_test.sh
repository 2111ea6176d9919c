#!/bin/sh
test "$(./hello)" -gt 40
