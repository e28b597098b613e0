package stores

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestList_judgesNames(t *testing.T) {
	const whole, unfinished, ignored = "whole", "unfinished", "ignored"
	names := map[string]string{
		"rates.csv": whole, "RATES.CSV": whole, "gl.part1.csv": whole, "tmp.csv": whole, "temp_gl.csv": whole,
		"_gl.csv":   whole,
		"party.dat": whole, "download.csv": whole, "rates": whole, "gl.bak": whole, "deep/rates.csv": whole, "a~b.csv": whole,

		"rates.csv.filepart": unfinished, "rates.csv.FILEPART": unfinished, // WinSCP
		"fees.csv.tmp": unfinished, "~WRL0001.tmp": unfinished, "fees.csv.temp": unfinished, "BIT1A2B.tmp": unfinished,
		"gl.csv.20261031.tmp": unfinished, "gl.csv.part": unfinished, "gl.csv.1a2b3c4d.partial": unfinished, // rclone
		"gl.csv.crdownload": unfinished, "gl.csv.download": unfinished, "gl.csv.opdownload": unfinished,
		"gl.csv.aria2": unfinished, "gl.csv.!ut": unfinished, "gl.csv.!qB": unfinished,
		"gl.csv.writing": unfinished, "gl.csv.inprogress": unfinished, "gl.csv.incomplete": unfinished,
		"gl.csv.uploading": unfinished, "gl.csv._COPYING_": unfinished, // Hadoop
		".gl.csv.aB3xYz":                 unfinished, // rsync
		".in.gl.csv":                     unfinished, // lftp
		".gl.csv":                        unfinished, // NiFi
		".gl.csv.ocTransferId12.part":    unfinished, // ownCloud
		".syncthing.gl.csv.tmp":          unfinished,
		".unison.gl.csv.1a2b.unison.tmp": unfinished,
		".gl.csv.0123456789abcdef.part":  unfinished, // ours
		".gl.csv.replaced":               unfinished, // ours
		".~tmp~/gl.csv":                  unfinished, // rsync --delay-updates
		".rsync-partial/gl.csv":          unfinished,
		"ledger.csv.download/gl.csv":     unfinished, // Safari
		"gl.csv.lock":                    unfinished, // the setting
		"deep/gl.csv.part":               unfinished,
		".DS_Store":                      ignored,
		"._gl.csv":                       ignored,
		".localized":                     ignored,
		"Icon\r":                         ignored,
		"__MACOSX/gl.csv":                ignored,
		"Thumbs.db":                      ignored,
		"THUMBS.DB":                      ignored,
		"ehthumbs.db":                    ignored,
		"desktop.ini":                    ignored,
		"$RECYCLE.BIN/gl.csv":            ignored,
		"System Volume Information/WPSettings.dat": ignored,
		".directory":             ignored,
		".~lock.gl.csv#":         ignored,
		"~$gl.xlsx":              ignored,
		"gl.csv~":                ignored,
		"#gl.csv#":               ignored,
		".#gl.csv":               ignored,
		".gl.csv.swp":            ignored,
		"gl.csv.swo":             ignored,
		".nfs00000000012a4b":     ignored,
		".fuse_hidden0000a1":     ignored,
		".smbdeleteAAA12":        ignored,
		"lost+found/gl.csv":      ignored,
		"@eaDir/gl.csv":          ignored,
		".git/config":            ignored,
		".snapshot/night/gl.csv": ignored,
		".gitkeep":               ignored,
		".listing":               ignored,
		"README.txt":             ignored, // the setting
		"readme.tmp":             ignored, // the setting counts first
	}
	dir := t.TempDir()
	s, err := Open(t.Context(), map[string]Settings{
		"inbox": {URL: "file://" + dir, Unfinished: []string{"*.LOCK"}, Ignored: []string{"README*"}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	want := map[string]string{}
	for name, judged := range names {
		path := filepath.Join(dir, "in.tmp", name) // the author's own folder
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("A\n1\n"), 0o600))
		want["inbox/in.tmp/"+name] = judged
	}
	got := map[string]string{}
	for info, err := range s.List(t.Context(), "inbox/in.tmp/") {
		require.NoError(t, err)
		switch got[info.Ref] = whole; {
		case info.Unfinished:
			got[info.Ref] = unfinished
		case info.Ignored:
			got[info.Ref] = ignored
		}
	}
	assert.Equal(t, want, got)
}

func TestSettings_problemsOfNames(t *testing.T) {
	s := Settings{URL: "mem://", Unfinished: []string{"*.lock", "[a"}, Ignored: []string{"", "old/*"}}
	assert.ElementsMatch(t, []string{
		`unfinished: "[a" is not the name of a file, in which * stands for any letters`,
		`ignored: "" is not the name of a file, in which * stands for any letters`,
		`ignored: "old/*" is not the name of a file, in which * stands for any letters`,
	}, s.Problems().Texts())
}

func TestNames_areDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/pipelines.md")
	require.NoError(t, err)
	for _, name := range slices.Concat(unfinishedNames, ignoredNames) {
		assert.Contains(t, strings.ToLower(string(page)), "`"+strings.TrimSpace(name)+"`")
	}
}
