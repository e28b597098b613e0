//go:build !linux

package stores

import "os"

func writeBack(*os.File, int64, int64) {}
