// The codec moov-io/iso8583 behind the line protocol of bench/codec_peers/__init__.py.
//
// encode and decode go through structs, as its README recommends: Marshal and Pack, Unpack and Unmarshal. Two more
// operations leave the structs out: pack (NewMessage, Field, Pack) and unpack (Unpack alone).
package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
	"github.com/moov-io/iso8583/sort"
)

// A profile has the rows of our table as moov's specification, and how each value is held.
type profile struct {
	spec   *iso8583.MessageSpec
	opened *iso8583.MessageSpec // the same, with field 55 as a composite; nil until it is needed
	held   map[int]holding
}

// A holding says what a value of the protocol becomes in a struct of this codec.
type holding int

const (
	text    holding = iota // a string
	track                  // a string, with = for the separator
	binary                 // a []byte
	hexText                // a string of hexadecimal characters
)

// A group has the messages that are timed in rotation, each as a pointer to a struct.
type group struct {
	of      *profile
	structs []any
	kinds   []reflect.Type
	values  []map[int][]byte
	wires   [][]byte
}

var (
	profiles = map[string]*profile{}
	groups   = map[string]*group{}
)

func main() {
	requests := bufio.NewScanner(os.Stdin)
	requests.Buffer(make([]byte, 1<<20), 1<<20)
	for requests.Scan() {
		answer, err := answerTo(strings.Fields(requests.Text()))
		if err != nil {
			answer = "cannot " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(answer)
	}
}

func answerTo(words []string) (string, error) {
	switch request, words := words[0], words[1:]; request {
	case "version":
		return version(), nil
	case "field":
		return "ok", learn(words)
	case "encode":
		p := profiles[words[0]]
		data, _, err := p.build(words[1], words[2:])
		if err != nil {
			return "", err
		}
		wire, err := p.encode(data)
		return hex.EncodeToString(wire), err
	case "decode":
		return profiles[words[0]].decoded(words[1])
	case "add":
		return "ok", add(words[0], profiles[words[1]], words[2], words[3:])
	case "time":
		count, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		g := groups[words[1]]
		if g == nil {
			return "", fmt.Errorf("find %s", words[1])
		}
		took, err := timed(words[0], g, count)
		return strconv.FormatInt(took.Nanoseconds(), 10), err
	}
	return "", errors.New("do that")
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/moov-io/iso8583" {
			return module.Version + ", " + runtime.Version()
		}
	}
	return runtime.Version()
}

func learn(words []string) error {
	p := profiles[words[0]]
	if p == nil {
		p = &profile{spec: &iso8583.MessageSpec{Fields: map[int]field.Field{}}, held: map[int]holding{}}
		profiles[words[0]] = p
	}
	number, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	content, enc, counts, pad, nibble := words[2], words[3], words[7], words[8], words[9]
	length, err := strconv.Atoi(words[4])
	if err != nil {
		return err
	}
	digits, err := strconv.Atoi(words[6])
	if err != nil {
		return err
	}
	spec := &field.Spec{Length: length, Pref: prefixOf(words[5], digits)}
	if spec.Pref == nil {
		return fmt.Errorf("write a length as %s", words[5])
	}
	switch {
	case enc == "ascii":
		spec.Enc = encoding.ASCII
	case enc == "ebcdic":
		spec.Enc = encoding.EBCDIC
	case enc == "raw":
		spec.Enc = encoding.Binary
	case enc == "hex" && number == 1:
		spec.Enc = encoding.BytesToASCIIHex
	case enc == "hex" && counts == "digits": // its own prefixes count bytes, so the text is hexadecimal beforehand
		spec.Enc, spec.Length = encoding.ASCII, 2*length
		p.held[number] = hexText
	case enc == "bcd" && content == "n" && nibble == "0" && counts == "digits":
		spec.Enc = encoding.BCD
		if pad == "right" {
			spec.Enc = encoding.LBCD
		}
	default:
		p.held[number] = text
		return fmt.Errorf("write field %d: %s in %s", number, content, enc)
	}
	switch {
	case number == 1:
		p.spec.Fields[number] = field.NewBitmap(spec)
	case content == "b" && p.held[number] != hexText:
		p.held[number] = binary
		p.spec.Fields[number] = field.NewBinary(spec)
	default:
		if content == "z" {
			p.held[number] = track
		}
		p.spec.Fields[number] = field.NewString(spec)
	}
	return nil
}

func prefixOf(kind string, digits int) prefix.Prefixer {
	if kind == "-" {
		return prefix.ASCII.Fixed // of any encoding: it writes nothing
	}
	kinds := map[string]prefix.Prefixers{"ascii": prefix.ASCII, "ebcdic": prefix.EBCDIC, "bcd": prefix.BCD, "binary": prefix.Binary}
	return map[int]prefix.Prefixer{2: kinds[kind].LL, 3: kinds[kind].LLL, 4: kinds[kind].LLLL}[digits]
}

// build makes a struct type for the fields of a message, as its author would have written it, and fills one.
func (p *profile) build(mti string, words []string) (any, map[int][]byte, error) {
	values := map[int][]byte{0: []byte(mti)}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		number, err := strconv.Atoi(name)
		if err != nil {
			return nil, nil, err
		}
		if p.spec.Fields[number] == nil {
			return nil, nil, fmt.Errorf("write field %d", number)
		}
		if values[number], err = hex.DecodeString(value); err != nil {
			return nil, nil, err
		}
	}
	numbers := []int{}
	for number := range values {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	fields := []reflect.StructField{}
	for _, number := range numbers {
		fields = append(fields, structField(strconv.Itoa(number), reflect.TypeOf(p.native(number, nil))))
	}
	data := reflect.New(reflect.StructOf(fields))
	for at, number := range numbers {
		values[number] = p.own(number, values[number])
		data.Elem().Field(at).Set(reflect.ValueOf(p.native(number, values[number])))
	}
	return data.Interface(), values, nil
}

func structField(index string, kind reflect.Type) reflect.StructField {
	return reflect.StructField{Name: "F" + index, Type: kind, Tag: reflect.StructTag(`iso8583:"` + index + `"`)}
}

// own is a value of the protocol as this codec holds it, and foreign is the inverse.
func (p *profile) own(number int, value []byte) []byte {
	switch p.held[number] {
	case hexText:
		return []byte(strings.ToUpper(hex.EncodeToString(value)))
	case track:
		return []byte(strings.ReplaceAll(string(value), "D", "="))
	}
	return value
}

func (p *profile) foreign(number int, value []byte) (string, error) {
	switch p.held[number] {
	case hexText:
		return strings.ToLower(string(value)), nil
	case track:
		value = []byte(strings.ReplaceAll(string(value), "=", "D"))
	}
	return hex.EncodeToString(value), nil
}

func (p *profile) native(number int, value []byte) any {
	if p.held[number] == binary {
		return value
	}
	return string(value)
}

func (p *profile) encode(data any) ([]byte, error) {
	message := iso8583.NewMessage(p.spec)
	if err := message.Marshal(data); err != nil {
		return nil, err
	}
	return message.Pack()
}

func (p *profile) decoded(wire string) (string, error) {
	raw, err := hex.DecodeString(wire)
	if err != nil {
		return "", err
	}
	message := iso8583.NewMessage(p.spec)
	if err := message.Unpack(raw); err != nil {
		return "", err
	}
	mti, err := message.GetMTI()
	answer := mti
	for number, each := range message.GetFields() {
		if number < 2 {
			continue
		}
		value, err := each.Bytes()
		if err != nil {
			return "", err
		}
		shown, err := p.foreign(number, value)
		if err != nil {
			return "", err
		}
		answer += fmt.Sprintf(" %d=%s", number, shown)
	}
	return answer, err
}

func add(name string, p *profile, mti string, words []string) error {
	data, values, err := p.build(mti, words)
	if err != nil {
		return err
	}
	wire, err := p.encode(data)
	if err != nil {
		return err
	}
	g := groups[name]
	if g == nil {
		g = &group{of: p}
		groups[name] = g
	}
	g.structs = append(g.structs, data)
	g.kinds = append(g.kinds, reflect.TypeOf(data).Elem())
	g.values = append(g.values, values)
	g.wires = append(g.wires, wire)
	return nil
}

func timed(operation string, g *group, count int) (time.Duration, error) {
	run, err := g.operation(operation)
	if err != nil {
		return 0, err
	}
	size := len(g.wires)
	began := time.Now()
	for done := 0; done < count; done++ {
		if err := run(done % size); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// operation is the function that does it once, on the message at a place of the group.
func (g *group) operation(name string) (func(int) error, error) {
	switch name {
	case "encode":
		return func(at int) error { _, err := g.of.encode(g.structs[at]); return err }, nil
	case "decode":
		return g.unpacking(g.of.spec, g.kinds), nil
	case "open":
		opened, kinds, err := g.opened()
		return g.unpacking(opened, kinds), err
	case "pack":
		return g.packing, nil
	case "unpack":
		return func(at int) error { return iso8583.NewMessage(g.of.spec).Unpack(g.wires[at]) }, nil
	}
	return nil, fmt.Errorf("%s", name)
}

func (g *group) unpacking(spec *iso8583.MessageSpec, kinds []reflect.Type) func(int) error {
	return func(at int) error {
		message := iso8583.NewMessage(spec)
		if err := message.Unpack(g.wires[at]); err != nil {
			return err
		}
		return message.Unmarshal(reflect.New(kinds[at]).Interface())
	}
}

func (g *group) packing(at int) error {
	message := iso8583.NewMessage(g.of.spec)
	for number, value := range g.values[at] {
		if err := message.BinaryField(number, value); err != nil {
			return err
		}
	}
	_, err := message.Pack()
	return err
}

// opened has field 55 as a composite of the tags that the messages of the group have in it, and structs to match.
func (g *group) opened() (*iso8583.MessageSpec, []reflect.Type, error) {
	spec := &iso8583.MessageSpec{Fields: map[int]field.Field{}}
	for number, each := range g.of.spec.Fields {
		spec.Fields[number] = each
	}
	tags := map[string]field.Field{}
	kinds := []reflect.Type{}
	for at, kind := range g.kinds {
		chip, err := tagsIn(g.values[at][55])
		if err != nil {
			return nil, nil, err
		}
		inner := []reflect.StructField{}
		for _, tag := range chip {
			inner = append(inner, structField(tag, reflect.TypeOf([]byte{})))
			tags[tag] = field.NewBinary(&field.Spec{Length: 255, Enc: encoding.Binary, Pref: prefix.BerTLV})
		}
		outer := []reflect.StructField{}
		for at := range kind.NumField() {
			each := kind.Field(at)
			if each.Name == "F55" {
				each = structField("55", reflect.PointerTo(reflect.StructOf(inner)))
			}
			outer = append(outer, each)
		}
		kinds = append(kinds, reflect.StructOf(outer))
	}
	whole := g.of.spec.Fields[55].Spec()
	spec.Fields[55] = field.NewComposite(&field.Spec{
		Length: whole.Length, Pref: whole.Pref, Subfields: tags,
		Tag: &field.TagSpec{Enc: encoding.BerTLVTag, Sort: sort.StringsByHex},
	})
	return spec, kinds, nil
}

// tagsIn are the tags of BER-TLV with lengths of one byte.
func tagsIn(data []byte) ([]string, error) {
	tags := []string{}
	for at := 0; at < len(data); {
		tag, read, err := encoding.BerTLVTag.Decode(data[at:], 0)
		if err != nil {
			return nil, err
		}
		tags = append(tags, string(tag))
		at += read + 1 + int(data[at+read])
	}
	return tags, nil
}
