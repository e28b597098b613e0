package console

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// everyone is the group of the login none, which has only one person.
const everyone = "system"

// SystemUser is the login none: whoever reaches the console is the operating-system user that runs it.
func SystemUser(name string) Login { return systemUser{Person{name, []string{everyone}}} }

// SystemRoles are the roles of the login none where the settings have none.
func SystemRoles() []config.Role {
	return []config.Role{{Group: everyone, Role: config.Operator}, {Group: everyone, Role: config.Approver}}
}

type systemUser struct{ person Person }

func (l systemUser) Person(http.ResponseWriter, *http.Request) (Person, bool) { return l.person, true }
func (l systemUser) Routes(*http.ServeMux, Show)                              {}
func (l systemUser) LoginPath() string                                        { return "" }

// Proxy is the login proxy: headers say who somebody is, where they come from the addresses of the proxy.
func Proxy(settings config.Proxy) (Login, error) {
	l := proxyLogin{settings: settings}
	for _, text := range settings.From {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		l.from = append(l.from, prefix)
	}
	return l, nil
}

type proxyLogin struct {
	settings config.Proxy
	from     []netip.Prefix
}

func (l proxyLogin) Person(_ http.ResponseWriter, r *http.Request) (Person, bool) {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !l.trusts(address.Addr().Unmap()) {
		return Person{}, false
	}
	names := r.Header.Values(l.settings.NameHeader)
	if len(names) != 1 || strings.TrimSpace(names[0]) == "" { // two of them: one is not the proxy's
		return Person{}, false
	}
	p := Person{Name: strings.TrimSpace(names[0])}
	for _, value := range r.Header.Values(l.settings.GroupsHeader) {
		for group := range strings.SplitSeq(value, ",") {
			if group = strings.TrimSpace(group); group != "" {
				p.Groups = append(p.Groups, group)
			}
		}
	}
	return p, true
}

func (l proxyLogin) trusts(address netip.Addr) bool {
	for _, prefix := range l.from {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

func (l proxyLogin) Routes(*http.ServeMux, Show) {}
func (l proxyLogin) LoginPath() string           { return "" }
