//go:build !unix

package stores

import "os"

func lock(*os.File) bool { return true }
