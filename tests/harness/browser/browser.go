// Package browser drives tabs of a headless Chromium.
package browser

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

// Browser is a running Chromium.
type Browser struct{ window context.Context }

// Start starts Chromium, which ends with the test. It trusts these certificates as well.
func Start(t testing.TB, trusted ...*x509.Certificate) *Browser {
	t.Helper()
	program, err := exec.LookPath("chromium-headless-shell") // without the browser's own windows, which cost as much as the page
	if err != nil {
		program, err = exec.LookPath("chromium")
	}
	require.NoError(t, err, "the browser test needs Chromium: apt-get install chromium-headless-shell")
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1440, 1000), chromedp.NoFirstRun, chromedp.NoSandbox,
	}
	for _, name := range []string{
		"headless", "disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows", // of the other tabs
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	var keys []string
	for _, certificate := range trusted {
		sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		keys = append(keys, base64.StdEncoding.EncodeToString(sum[:]))
	}
	if len(keys) > 0 {
		flags = append(flags, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(keys, ",")))
	}
	allocated, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	window, closeWindow := chromedp.NewContext(allocated)
	t.Cleanup(closeWindow)
	require.NoError(t, chromedp.Do(window))
	return &Browser{window}
}

// Tab is a page of a site. Clicks counts the pages that were opened and the elements that were clicked.
type Tab struct {
	T      testing.TB
	Clicks int

	ctx   context.Context
	site  string // what every path is added to
	shots string // folder of the screenshots
	taken int
}

// Tab opens a tab with cookies of its own, and a folder for its screenshots.
func (b *Browser) Tab(t testing.TB, folder, site string) *Tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.window, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(ctx))
	return &Tab{T: t, ctx: ctx, site: site, shots: harness.Folder(t, folder)}
}

const patience = time.Minute

// Do carries out actions, which must succeed. Otherwise it keeps a screenshot and the page.
func (p *Tab) Do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fail(what, err)
	}
}

func (p *Tab) fail(what string, err error) {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	png, _ := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	html, _ := chromedp.Run(ctx, chromedp.OuterHTML("body"))
	_ = os.WriteFile(filepath.Join(p.shots, "failed.png"), png, 0o644)
	_ = os.WriteFile(filepath.Join(p.shots, "failed.html"), []byte(html), 0o644)
	p.T.Fatalf("%s: %v; see the screenshot in %s", what, err, p.shots)
}

// Run carries out an action that has a result.
func Run[T any](p *Tab, what string, action chromedp.Action[T]) (result T) {
	p.T.Helper()
	p.Do(what, chromedp.Func(func(ctx context.Context, t *chromedp.Target) (err error) {
		result, err = action(ctx, t)
		return err
	}))
	return result
}

// Eval is the value of a JavaScript expression.
func Eval[T any](p *Tab, expression string) T {
	p.T.Helper()
	return Run(p, expression, chromedp.Evaluate[T]("(() => { "+find+" return "+expression+" })()"))
}

// Shot takes a screenshot of what is visible.
func (p *Tab) Shot(name string) { p.keep(name, chromedp.CaptureScreenshot()) }

// Whole takes a screenshot of the whole page.
func (p *Tab) Whole(name string) { p.keep(name, chromedp.FullScreenshot(100)) }

func (p *Tab) keep(name string, screenshot chromedp.Action[[]byte]) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, screenshot)
	require.NoError(p.T, err)
	p.taken++
	require.NoError(p.T, os.WriteFile(filepath.Join(p.shots, fmt.Sprintf("%02d-%s.png", p.taken, name)), png, 0o644))
}

// find returns the visible element with a CSS selector and a text at its beginning.
const find = `const find = (css, text) => [...document.querySelectorAll(css)].find(e => e.getClientRects().length > 0 && e.textContent.trim().startsWith(text));`

// Until waits until a JavaScript expression is true, also on the page that the tab is about to have. It can use
// find(css, text): the visible element with a selector and a text at its beginning.
func (p *Tab) Until(what, expression string) {
	p.T.Helper()
	deadline := time.Now().Add(patience)
	for {
		met, err := p.evaluate(expression)
		switch {
		case met:
			return
		case p.ctx.Err() != nil || time.Now().After(deadline):
			p.fail(what, fmt.Errorf("timed out: %w", err))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// evaluate has an error while the tab changes from one page to the next.
func (p *Tab) evaluate(expression string) (bool, error) {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[bool]("(() => { "+find+" return Boolean("+expression+") })()"))
}

// Shows waits until the page contains a text.
func (p *Tab) Shows(text string) {
	p.T.Helper()
	p.Until("the page shows "+text, fmt.Sprintf("document.body?.innerText.includes(%q)", text))
}

// Open opens a page of the site.
func (p *Tab) Open(path string) {
	p.T.Helper()
	p.Clicks++
	p.Do("open "+path, chromedp.Navigate(p.site+path))
}

// Click clicks the element with a selector and a text at its beginning, as soon as it is there.
func (p *Tab) Click(css, text string) {
	p.T.Helper()
	p.Clicks++
	element := fmt.Sprintf("find(%q, %q)", css, text)
	p.Until("click "+css+" "+text, element+" && !"+element+".disabled")
	_, _ = p.evaluate(element + ".click()") // once only: the next page may have the same button
}

// Type types a text into the field with a selector, key by key, whatever the page does in the meantime.
func (p *Tab) Type(css, text string) {
	p.T.Helper()
	p.Until("the field "+css, fmt.Sprintf(`(field => field && (field.focus(), document.activeElement === field))(document.querySelector(%q))`, css))
	p.Do("type into "+css, chromedp.KeyEvent(text))
}

// Fill replaces the text of an editor, repeatedly, because the page may reset it while it loads.
func (p *Tab) Fill(css, text string) {
	p.T.Helper()
	p.Until("type into "+css, fmt.Sprintf(`(editor => {
		const bare = text => text.replace(/\s/g, "");
		if (!editor || bare(editor.innerText) === bare(%[2]q)) return Boolean(editor);
		editor.focus();
		document.execCommand("selectAll");
		document.execCommand("insertText", false, %[2]q);
	})(find(%[1]q, ""))`, css, text))
}

// Look chooses a phone or a desktop, and dark or light colours.
func (p *Tab) Look(phone, dark bool) {
	p.T.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	size := chromedp.EmulateViewport(1280, 900)
	if phone {
		size = chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	p.Do("change the look", size, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}
