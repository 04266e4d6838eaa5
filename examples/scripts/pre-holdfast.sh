#!/bin/bash
# Pre-script: returns 0 once it is safe to copy.
#
#   pre-holdfast.sh LABEL
#
# holdfast finds the control database through DATABASE_URL or its configuration file.
set -eu
exec "${HOLDFAST:-holdfast}" start "${1:?give the label of the backup}" --fast --timeout '10 min'
