package parstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
)

const benchSize = 1 << 30

// onDisk is a file in a folder.
type onDisk string

func (f onDisk) Section(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, offset, length), file}, nil
}

type toDisk struct{ *os.File }

func (toDisk) Resume(context.Context, int64, []byte) (string, error) {
	return "", errors.ErrUnsupported
}

func (d toDisk) Reset(context.Context, int) error { return d.Truncate(0) }

func (d toDisk) WritePart(_ context.Context, _ int, offset int64, p []byte) error {
	_, err := d.WriteAt(p, offset)
	return err
}

// resident is the physical memory of this process in MiB, on Linux. After a transfer the parts' memory is not in it.
func resident() float64 {
	var size, pages float64
	text, _ := os.ReadFile("/proc/self/statm")
	_, _ = fmt.Sscan(string(text), &size, &pages)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// The time of a transfer includes that of the simulated store.
func BenchmarkTransfer(b *testing.B) {
	sim, err := simulator.Start(simulator.Options{})
	require.NoError(b, err)
	defer sim.Close()
	n := tenantOf(b, sim)
	c, err := New(Options{CAFile: sim.CAFile(), PARHosts: []string{"127.0.0.1"}})
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "gl.dat")
	file, err := os.Create(path)
	require.NoError(b, err)
	block := noise(1 << 20)
	for range benchSize / len(block) {
		_, err := file.Write(block)
		require.NoError(b, err)
	}
	require.NoError(b, file.Close())
	var id int64
	b.Run("upload", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			var url string
			id, url = n.announce(benchSize)
			_, err := c.Upload(b.Context(), url, Upload{Source: onDisk(path), Size: benchSize})
			require.NoError(b, err)
		}
		b.ReportMetric(resident(), "idle-MiB")
	})
	b.Run("download", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			par, err := n.service.CreateDownloadPARByID(b.Context(), fmt.Sprint(id))
			require.NoError(b, err)
			target, err := os.Create(filepath.Join(b.TempDir(), "copy.dat"))
			require.NoError(b, err)
			_, err = c.Download(b.Context(), par.Expose(), Download{Target: toDisk{target}})
			require.NoError(b, err)
			require.NoError(b, target.Close())
		}
	})
}
